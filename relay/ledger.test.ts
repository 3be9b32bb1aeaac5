import { expect, test } from 'vitest'
import { memoryDisk } from '../link/memory-disk.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import type { Command } from './command.ts'
import { openLedger } from './ledger.ts'
import { COMMANDS_ON_DISK_MAX, FORGET_AT_ONCE } from './limits.ts'

/** A ledger on a disk that refuses the given writes, counted from when `count` is set. */
async function ledgerOn(refused: ReadonlySet<number>, disk = memoryDisk(), seed = 1) {
  const { write } = disk
  const writes = { count: Number.NEGATIVE_INFINITY }
  disk.write = (changes) => {
    if (refused.has(writes.count++)) disk.fill(1)
    write(changes)
  }
  const about = { clock: new ManualClock(), random: seededRandom(seed), source: 'relay-0', version: '1.0.0' }
  const layout = { epoch: 1, buckets: 1 }
  const ledger = await openLedger({ ...about, disk, layout, fault: (error) => expect.fail(String(error)) })
  return { ledger, writes }
}

function command(id: string, change: Partial<Command> = {}): Command {
  return {
    ...{ id, hash: 'h', app: 'phone', hub: 'hub-a', device: 'lamp', set: { powered: true } },
    ...{ issued: 1_000, day: '2026-11-24', deadline_ms: 5_000, issued_mono: undefined, sent_mono: undefined },
    ...{ stages: [], outcome: undefined, reason: undefined, round_trip_ms: undefined, ...change },
  }
}

const event = { m: 0, hub: 'hub-a', kind: 'command' }

test('what the disk refused is there in no part: the command stays open, the new one is unknown, and a retry is the only issue', async () => {
  const { ledger, writes } = await ledgerOn(new Set([0]))
  ledger.write([event], command('a'))
  writes.count = 0
  expect(() => ledger.write([event, event], command('b'))).toThrow(/no room/)
  writes.count = 0
  expect(() => ledger.write([event, event], command('a', { outcome: 'done' }))).toThrow(/no room/)
  expect(ledger.open().map(({ id }) => id)).toEqual(['a'])
  expect(ledger.find('b')).toBeUndefined()
  expect(ledger.outbox.status()[0]?.events).toBe(1)
  ledger.write([event], command('b', { issued: 2_000 }))
  expect(ledger.open().map(({ id, issued }) => [id, issued])).toEqual([
    ['a', 1_000],
    ['b', 2_000],
  ])
  ledger.write([event], command('b', { issued: 2_000, outcome: 'done' }))
  expect(ledger.open().map(({ id }) => id)).toEqual(['a'])
})

test('what a full disk refused counts for nothing: no command is forgotten before the limit', async () => {
  const disk = memoryDisk()
  const age = (i: number) => `relay/age/${String(i).padStart(15, '0')}/c${i}`
  const before = Array.from({ length: COMMANDS_ON_DISK_MAX - 2 }, (_, i) => age(i))
  disk.write(before.map((put) => ({ put, value: new Uint8Array() })))
  const { ledger, writes } = await ledgerOn(new Set([0]), disk)
  ledger.write([event], command('young', { issued: 900_000 }))
  for (let i = 0; i < 10; i++) {
    writes.count = 0
    expect(() => ledger.write([event], command(`refused-${i}`, { issued: 900_001 }))).toThrow(/no room/)
  }
  ledger.write([event], command('next', { issued: 900_002 }))
  ledger.write([event], command('next', { issued: 900_002, outcome: 'done' }))
  expect(disk.get(age(0))).toBeDefined()
  expect(ledger.open().map(({ id }) => id)).toEqual(['young'])
  expect(ledger.find('next')).toBeDefined()
})

test('past the limit the oldest are forgotten, and nothing of them is left', async () => {
  const disk = memoryDisk()
  const placeAt = (i: number) => `${String(1_000 + i).padStart(15, '0')}/c${i}`
  const put = (key: string) => ({ put: `relay/${key}`, value: new Uint8Array() })
  const old = Array.from({ length: FORGET_AT_ONCE + 1 }, (_, i) => [put(`open/${placeAt(i)}`), put(`command/c${i}`)])
  disk.write([...Array.from({ length: COMMANDS_ON_DISK_MAX }, (_, i) => put(`age/${placeAt(i)}`)), ...old.flat()])
  const { ledger } = await ledgerOn(new Set(), disk)
  ledger.write([event], command('next', { issued: 900_000 }))
  expect(disk.get('relay/command/c0')).toBeDefined()
  ledger.write([event], command('more', { issued: 900_001 }))
  const left = (prefix: string) => disk.scan(`relay/${prefix}/`, `relay/${prefix}/~`).length
  expect(left('age')).toBe(COMMANDS_ON_DISK_MAX + 2 - FORGET_AT_ONCE)
  expect(left('open')).toBe(3)
  expect(left('command')).toBe(3)
  expect(disk.get(`relay/command/c${FORGET_AT_ONCE - 1}`)).toBeUndefined()
  expect(disk.get(`relay/command/c${FORGET_AT_ONCE}`)).toBeDefined()
  // … and then the next ones, once so many came again.
  for (let i = 0; i < FORGET_AT_ONCE; i++) ledger.write([event], command(`then-${i}`, { issued: 900_002 + i }))
  expect(left('age')).toBe(COMMANDS_ON_DISK_MAX + 2 - FORGET_AT_ONCE)
  expect(disk.get(`relay/command/c${FORGET_AT_ONCE}`)).toBeUndefined()
})

test('when a command was issued and sent is told by the monotonic clock, to the run whose clock it is', async () => {
  const disk = memoryDisk()
  const { ledger } = await ledgerOn(new Set(), disk)
  ledger.write([event], command('a', { issued_mono: 12.5, sent_mono: 13.25, outcome: 'expired' }))
  expect(ledger.find('a')).toMatchObject({ issued_mono: 12.5, sent_mono: 13.25 })
  const { ledger: next } = await ledgerOn(new Set(), disk, 2)
  expect(next.find('a')).toMatchObject({ outcome: 'expired', issued_mono: undefined, sent_mono: undefined })
})
