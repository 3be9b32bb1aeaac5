import { expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { ManualClock } from '../sim/clock.ts'
import type { Command, LedgerEvent } from './command.ts'
import { commandMemory } from './command-memory.ts'
import { EXPIRED_IN_MEMORY_MAX } from './limits.ts'

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

test('an expired command keeps when it was sent, until it is answered', () => {
  const ledger = { write: () => undefined, find: () => undefined, open: () => [] }
  const memory = commandMemory(ledger, new ManualClock())
  const late: Command = { ...command('a', 'a'), outcome: 'expired', sent_mono: 5 }
  memory.finish(late, [])
  expect(memory.find('a')?.sent_mono).toBe(5)
  memory.finish({ ...late, outcome: 'late' }, [])
  expect(memory.find('a')).toBeUndefined()
  for (let i = 0; i <= EXPIRED_IN_MEMORY_MAX; i++) memory.finish({ ...late, id: `b-${i}` }, [])
  expect([memory.find('b-0'), memory.find('b-1')?.id]).toEqual([undefined, 'b-1'])
})
