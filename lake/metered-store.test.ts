import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { Problem } from '../contract/problem.ts'
import { openMemoryStore } from './memory-store.ts'
import { meteredStore, type StoreCall } from './metered-store.ts'
import { objectStoreConformance } from './object-store.conformance.ts'
import { openHookedStore } from './testing/hooked-store.ts'

const scratch = await mkdtemp(join(tmpdir(), 'hearth-metered-store-'))
afterAll(() => rm(scratch, { recursive: true }))

objectStoreConformance('a metered store', async () => ({ store: metered([]), scratch }))

test('tells of each call what it was, what became of it and how long it took', async () => {
  const calls: StoreCall[] = []
  const store = metered(calls)
  await store.put('a/x', Buffer.from('1'), { ifAbsent: true })
  await store.put('a/x', Buffer.from('2'), { ifAbsent: true }).catch(() => undefined)
  await store.get('a/y').catch(() => undefined)
  await store.head('a/x')
  for await (const _ of store.list('a/')) break
  await store.delete('a/x')
  expect(calls.map(({ operation, outcome }) => `${operation} ${outcome}`)).toEqual([
    ...['put done', 'put conflict', 'get missing', 'head done', 'list done', 'delete done'],
  ])
  expect(calls.every(({ ms }) => ms >= 0)).toBe(true)
})

test('tells a call that failed from one whose effect is not known', async () => {
  const calls: StoreCall[] = []
  const answers = [
    new Problem('unavailable', 'the disk is full'),
    new Problem('unavailable', 'no answer came', { outcome: 'unknown' }),
  ]
  const failing = openHookedStore(openMemoryStore({ clock: machineClock }), {
    after() {
      const answer = answers.shift()
      if (answer) throw answer
    },
  })
  const store = meteredStore(failing, machineClock, (call) => calls.push(call))
  await store.put('a/x', Buffer.from('1')).catch(() => undefined)
  await store.put('a/x', Buffer.from('1')).catch(() => undefined)
  expect(calls.map(({ outcome }) => outcome)).toEqual(['failed', 'unknown'])
})

function metered(calls: StoreCall[]) {
  return meteredStore(openMemoryStore({ clock: machineClock }), machineClock, (call) => calls.push(call))
}
