import { expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { ManualClock } from '../sim/clock.ts'
import { commitRewritten } from './commit-rewritten.ts'
import { entryPath } from './log.ts'
import { openMemoryStore } from './memory-store.ts'
import { type Hooks, openHookedStore } from './testing/hooked-store.ts'
import { createSample, reopenSample, requestOn, sampleFile } from './testing/sample.ts'

const clock = new ManualClock()
const file = sampleFile('joined')

/** Commits a file that is in the store, as version 1; its calls are struck, and later ones find what is left. */
async function commitStruck(hooks: Hooks) {
  const store = openMemoryStore({ clock })
  await createSample(store, clock)
  await store.put(`sample/${file.path}`, Buffer.from('rows'))
  const struck = openHookedStore(store, hooks)
  const table = reopenSample(struck, clock)
  const request = await requestOn(table, 'joined', 'compact', { adds: [file] })
  const [committed] = await Promise.allSettled([commitRewritten(struck, table, request), clock.advance(60_000)])
  return {
    committed,
    isThere: (await store.head(`sample/${file.path}`)) !== undefined,
    isNamed: (await reopenSample(store, clock).snapshot()).files.has(file.path),
  }
}

test('files that a version names stay, though the answer was lost and reading it back is denied', async () => {
  let isPut = false
  const found = await commitStruck({
    after(operation, path) {
      if (operation !== 'put' || path !== entryPath('sample', 1)) return
      isPut = true
      throw new Problem('unavailable', 'no answer', { outcome: 'unknown' })
    },
    before(operation) {
      if (isPut && operation === 'get') throw new Problem('unauthorized', 'access denied')
    },
  })
  expect(found).toMatchObject({ committed: { reason: { outcome: 'unknown' } }, isThere: true, isNamed: true })
})

test('files whose commit was refused are taken back', async () => {
  const found = await commitStruck({
    before(operation, path) {
      if (operation === 'put' && path === entryPath('sample', 1)) throw new Problem('unauthorized', 'access denied')
    },
  })
  expect(found).toMatchObject({ committed: { reason: { outcome: 'did-not-happen' } }, isThere: false, isNamed: false })
})
