import { describe, expect, test } from 'vitest'
import { batchHeader, eventsCrc } from '../contract/batch.ts'
import { bucketOf, parseServiceStream } from '../contract/bucket.ts'
import { OUTCOMES } from '../contract/command.ts'
import { unpack } from '../link/batch-codec.ts'
import { seededRandom } from '../sim/clock.ts'
import { historyBatches } from './history.ts'
import { historyFleet, historyRegistry } from './history-fleet.ts'

const END_MS = Date.UTC(2026, 10, 24, 12)

function make(seed: number) {
  const options = { prefix: 'demo-', hubs: 12, days: 3, end_ms: END_MS, random: seededRandom(seed) }
  const fleet = historyFleet(options)
  const batches = [...historyBatches(fleet, { ...options, fleet_name: 'demo', layout: { epoch: 1, buckets: 4 } })].map(
    ({ identity, bytes, events }) => {
      const plain = unpack(bytes)
      const end = plain.indexOf(10) + 1
      const header = batchHeader.parse(JSON.parse(plain.subarray(0, end).toString()))
      const lines = plain.subarray(end)
      const parsed: Record<string, unknown>[] = lines
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      return { identity, events, header, lines, parsed }
    },
  )
  return { fleet, batches }
}

const { fleet, batches } = make(1)

describe('the history of a fleet', () => {
  test('is the same from the same seed', () => {
    expect(make(5).batches).toEqual(make(5).batches)
  })

  test('numbers each stream without a hole, and every header tells the truth about its lines', () => {
    const next = new Map<string, number>()
    for (const { identity, events, header, lines, parsed } of batches) {
      const stream = `${identity.source} ${header.boot} ${header.stream}`
      expect(header.first).toBe(next.get(stream) ?? 0)
      expect(parsed).toHaveLength(header.count)
      expect(events).toBe(header.count)
      expect(header.crc).toBe(eventsCrc(lines))
      expect(header.acked).toBe(header.first)
      next.set(stream, header.first + header.count)
    }
    for (const { identity, header } of batches) {
      expect(next.get(`${identity.source} ${header.boot} ${header.stream}`)).toBe(header.next)
      for (const { boot, next: told, held } of header.previous) {
        expect(next.get(`${identity.source} ${boot} ${header.stream}`)).toBe(told)
        expect(held).toBe(false)
      }
    }
  })

  test('lies within the time that it tells of, in order within each stream', () => {
    for (const { header, parsed } of batches) {
      const times = parsed.map((event) => header.wall + Number(event['m']))
      expect(times).toEqual([...times].sort((a, b) => a - b))
      expect(times[0]).toBeGreaterThanOrEqual(END_MS - 3 * 86_400_000)
      expect(times.at(-1)).toBeLessThanOrEqual(END_MS + 30_000)
    }
  })

  test('puts what the relay says into the stream of the bucket of the hub that it is about', () => {
    for (const { header, identity, parsed } of batches.filter(({ identity }) => identity.role === 'service')) {
      expect(identity.source).toBe('relay-demo')
      for (const { hub } of parsed) expect(bucketOf(String(hub), 4)).toBe(parseServiceStream(header.stream)?.bucket)
    }
  })
})

describe('its commands', () => {
  const stages = new Map<string, Set<string>>()
  for (const event of batches.flatMap(({ parsed }) => parsed).filter(({ kind }) => kind === 'command')) {
    const id = String(event['command'])
    stages.set(id, (stages.get(id) ?? new Set()).add(String(event['stage'])))
  }

  test('each have an outcome, and are done only when the hub executed', () => {
    expect(stages.size).toBeGreaterThan(300)
    for (const told of stages.values()) {
      expect(OUTCOMES.some((outcome) => told.has(outcome))).toBe(true)
      if (told.has('done') || told.has('late')) expect(told.has('executed') && told.has('acked')).toBe(true)
      if (told.has('offline')) expect(told.has('sent')).toBe(false)
    }
  })

  test('mostly succeed, and sometimes do not', () => {
    const done = [...stages.values()].filter((told) => told.has('done')).length
    expect(done / stages.size).toBeGreaterThan(0.8)
    expect(done).toBeLessThan(stages.size)
  })
})

test('the registry knows each home from its first boot on, and what became of it', () => {
  const changes = historyRegistry(fleet)
  expect(new Set(changes.map(({ record }) => record.hub)).size).toBe(13)
  expect(changes.filter(({ record }) => record.retired_ms !== undefined)).toHaveLength(1)
  for (const hub of fleet) {
    const boots = batches.filter(({ identity }) => identity.source === hub.hub).map(({ header }) => header.wall)
    expect(Math.min(...boots)).toBe(hub.enrolled_ms)
  }
})
