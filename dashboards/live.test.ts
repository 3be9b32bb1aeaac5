import { expect, test } from 'vitest'
import { machineClock as clock } from '../cli/machine.ts'
import { openLive } from './live.ts'

test('a relay that is not there yet is no reason to warn', async () => {
  let live: ReturnType<typeof openLive> | undefined
  const told = await new Promise<readonly unknown[]>((resolve) => {
    const relay = { url: 'http://127.0.0.1:1', token: 'hearth_token' }
    live = openLive({ relay, clock, note: (...words) => resolve(words) })
  })
  live?.close()
  expect(told).toEqual([expect.stringContaining('is not open yet: '), 'info'])
})
