import { expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { ManualClock } from '../sim/clock.ts'
import type { Command, LedgerEvent } from './command.ts'
import { commandMemory } from './command-memory.ts'
import { UNWRITTEN_MAX } from './limits.ts'

const event = (hub: string): LedgerEvent => ({ m: 0, hub, kind: 'command' })
const command = (id: string, hub: string): Command => ({
  ...{ id, hash: 'h', app: 'phone', hub, device: 'lamp', set: {}, issued: 0, day: '2026-11-24', deadline_ms: 1_000 },
  ...{ issued_mono: 0, sent_mono: 0, stages: [], outcome: 'done', reason: undefined, round_trip_ms: undefined },
})

test('what a refusing disk let wait is written once each, in order, however often the next one is refused', () => {
  const written: string[] = []
  let refuse: (hub: string) => boolean = () => true
  const ledger = {
    write(events: readonly LedgerEvent[]) {
      const hubs = events.map(({ hub }) => hub)
      if (hubs.some((hub) => refuse(hub))) throw new Problem('unavailable', 'no room')
      written.push(...hubs)
    },
    find: () => undefined,
    open: () => [],
  }
  const memory = commandMemory(ledger, new ManualClock())
  for (const hub of ['a', 'b', 'c']) memory.finish(command(hub, hub), [event(hub)])
  expect(written).toEqual([])
  refuse = (hub) => hub === 'b'
  // A new command that cannot be written is told so, and is nowhere.
  for (let i = 0; i < 3; i++) expect(() => memory.begin(command('d', 'd'), [event('d')])).toThrow(/no room/)
  expect(written).toEqual(['a'])
  refuse = () => false
  memory.begin(command('e', 'e'), [event('e')])
  expect(written).toEqual(['a', 'b', 'c', 'e'])
  memory.close()
})

test('however many events a disk refuses, no outcome that was told is forgotten', async () => {
  let full = true
  const written: string[] = []
  const ledger = {
    write(events: readonly LedgerEvent[], command: Command | undefined) {
      if (full) throw new Problem('unavailable', 'no room')
      if (command) written.push(command.id)
      written.push(...events.map(({ hub }) => hub))
    },
    find: () => undefined,
    open: () => [],
  }
  const clock = new ManualClock()
  const memory = commandMemory(ledger, clock)
  memory.finish(command('told', 'a'), [])
  for (let i = 0; i < UNWRITTEN_MAX + 100; i++) memory.note([event('b')])
  memory.finish(command('told too', 'a'), [])
  expect([memory.lost(), memory.find('told')?.id, memory.find('told too')?.id]).toEqual([101, 'told', 'told too'])
  full = false
  // All of them at once would be a long turn of the event loop, in which no other command is answered.
  expect(() => memory.begin(command('new', 'c'), [])).toThrow(/catching up/)
  expect(written).toHaveLength(200)
  await clock.advance(1_200)
  memory.begin(command('new', 'c'), [])
  expect([written.length, written[0], ...written.slice(-2)]).toEqual([UNWRITTEN_MAX + 2, 'told', 'told too', 'new'])
  expect(memory.find('told')).toBeUndefined()
  full = true
  for (let i = 0; i < 500; i++) memory.finish(command(`late-${i}`, 'a'), [])
  full = false
  memory.close()
  expect(written.at(-1)).toBe('late-499')
})
