import { expect, test } from 'vitest'
import type { Authority } from '../registry/authority.ts'
import { ManualClock } from '../sim/clock.ts'
import { watchAuthority } from './authority-watch.ts'
import { AUTHORITY_LOOK_MS, CERTIFICATES_LOOK_MS } from './limits.ts'

function watched() {
  const clock = new ManualClock()
  const state = { replaced: false, fails: false, taken: 0, told: 0 }
  const authority: Pick<Authority, 'reload'> = {
    async reload() {
      const was = state.replaced
      state.replaced = false
      return was
    },
  }
  const log = { info: () => void state.told++, failed: () => undefined }
  const stop = watchAuthority({ clock }, log, authority, async () => {
    if (state.fails) throw new Error('ENOSPC: no space left on device')
    state.taken++
  })
  return { clock, state, stop }
}

test('a change of the CA is taken over at the next look, and at the one after where that failed', async () => {
  const { clock, state, stop } = watched()
  await clock.advance(AUTHORITY_LOOK_MS)
  expect(state.taken).toBe(0)
  Object.assign(state, { replaced: true, fails: true })
  await clock.advance(AUTHORITY_LOOK_MS)
  expect(state.taken).toBe(0)
  state.fails = false
  await clock.advance(AUTHORITY_LOOK_MS)
  await clock.advance(10 * AUTHORITY_LOOK_MS)
  expect([state.taken, state.told]).toEqual([1, 1])
  stop()
})

test('though the CA is the same, certificates are looked at twice a day, for they end too', async () => {
  const { clock, state, stop } = watched()
  await clock.advance(CERTIFICATES_LOOK_MS + AUTHORITY_LOOK_MS)
  expect([state.taken, state.told]).toEqual([1, 0])
  await clock.advance(CERTIFICATES_LOOK_MS + AUTHORITY_LOOK_MS)
  expect(state.taken).toBe(2)
  stop()
  await clock.advance(2 * CERTIFICATES_LOOK_MS)
  expect(state.taken).toBe(2)
})
