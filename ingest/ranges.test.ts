import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Interval, intervalSet, subtract, union } from '../contract/interval.ts'
import { accountOf, NO_TOTALS } from './account.ts'
import { BOOT_DROPPED_MAX, BOOTS_KEPT, BOOTS_MAX, SILENT_MS } from './limits.ts'
import {
  type Addition,
  applyAdditions,
  isForgotten,
  joinAdditions,
  newNumbers,
  type StreamRanges,
  streamKey,
} from './ranges.ts'
import { decodeRanges, encodeRanges, formatAddition, parseAddition, sourceKey } from './ranges-form.ts'

const set = fc
  .array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 6 })), { maxLength: 4 })
  .map((parts) => intervalSet(parts.map(([from, length]) => [from, from + length])))
const addition: fc.Arbitrary<Addition> = fc.record({
  source: fc.constantFrom('a', 'b'),
  stream: fc.constantFrom('control', 'readings'),
  boot: fc.integer({ min: 1, max: 3 }).map((counter) => `1-${counter}-00000000`),
  stored: set,
  dead: set,
  dropped: set,
  gone: set,
  next: fc.nat(50),
  acked: fc.nat(50),
  closed: fc.boolean(),
  heard_ms: fc.nat(1000),
})

function applied(additions: readonly Addition[], steps: number): Map<string, StreamRanges> {
  const ranges = new Map<string, StreamRanges>()
  for (let i = 0; i < additions.length; i += steps) {
    const changed = applyAdditions((key) => ranges.get(key), additions.slice(i, i + steps))
    for (const [key, stream] of changed) ranges.set(key, stream)
  }
  return ranges
}
const name = { epoch: 1, bucket: 2, version: 7 }

describe('ranges', () => {
  test('are the same however the additions are grouped into commits, and joined', () => {
    fc.assert(
      fc.property(fc.array(addition, { maxLength: 12 }), fc.integer({ min: 1, max: 12 }), (additions, steps) => {
        const one = encodeRanges(name, applied(additions, 1))
        expect(encodeRanges(name, applied(additions, steps))).toEqual(one)
        const groups = joinAdditions(additions.slice(0, steps))
        expect(encodeRanges(name, applied([...groups, ...additions.slice(steps)], 3))).toEqual(one)
      }),
    )
  })

  test('forget nothing that an addition said', () => {
    fc.assert(
      fc.property(fc.array(addition, { minLength: 1, maxLength: 8 }), (additions) => {
        const ranges = applied(additions, 3)
        for (const { source, stream, boot, stored, dead, dropped, next, acked, closed } of additions) {
          const one = ranges.get(streamKey(source, stream))?.boots.get(boot)
          if (!one) throw new Error(`${boot} is not there`)
          expect(subtract(stored, one.stored)).toEqual([])
          expect(subtract(dead, union(one.dead, one.stored))).toEqual([])
          expect(subtract(dropped, one.dropped)).toEqual([])
          expect([one.next >= next, one.acked >= acked, one.closed || !closed]).toEqual([true, true, true])
        }
      }),
    )
  })

  test('come back from a snapshot and from a commit as they were', () => {
    fc.assert(
      fc.property(fc.array(addition, { maxLength: 12 }), (additions) => {
        const ranges = applied(additions, 4)
        expect(decodeRanges(name, encodeRanges(name, ranges))).toEqual(ranges)
        expect(additions.map((one) => parseAddition(formatAddition(one) as never))).toEqual(additions)
      }),
    )
  })

  test('account for every number once: sent = stored + dead + dropped + pending + lost', () => {
    fc.assert(
      fc.property(fc.array(addition, { minLength: 1, maxLength: 8 }), fc.nat(2 * SILENT_MS), (additions, now_ms) => {
        for (const { boots } of applied(additions, 2).values()) {
          for (const boot of boots.values()) {
            const account = accountOf(boot, now_ms)
            const { stored, dead, dropped, pending, lost, broken } = account
            expect(stored + dead + dropped + pending + lost).toBe(account.sent)
            expect(broken).toBeLessThanOrEqual(pending + lost)
          }
        }
      }),
    )
  })

  test('what was received is not new again', () => {
    fc.assert(
      fc.property(fc.array(addition, { maxLength: 8 }), (additions) => {
        const ranges = applied(additions, 3)
        for (const { source, stream, boot, stored, dead } of additions) {
          for (const span of [...stored, ...dead]) {
            expect(newNumbers(ranges.get(`${source} ${stream}`), boot, span)).toEqual([])
          }
        }
      }),
    )
  })

  const bootAt = (counter: number, change: Partial<Addition> = {}): Addition => ({
    ...{
      source: 'a',
      stream: 'control',
      boot: `1-${counter}-00000000`,
      stored: [[0, 5]],
      dead: [],
      dropped: [],
      gone: [],
    },
    ...{ next: 5, acked: 5, closed: true, heard_ms: counter, ...change },
  })

  test('a boot is forgotten when it is complete and 50 newer ones exist; what it came to is kept', () => {
    const boots = Array.from({ length: BOOTS_KEPT + 2 }, (_, i) => bootAt(i + 1))
    const stream = applied(boots, 10).get('a control')
    expect(stream).toMatchObject({ floor: '1-2-00000000', forgotten: { boots: 2, sent: 10, stored: 10 } })
    expect(stream?.boots.size).toBe(BOOTS_KEPT)
    expect([1, 2, 3].map((counter) => isForgotten(stream, `1-${counter}-ffffffff`))).toEqual([true, false, false])
  })

  test('an incomplete boot is kept until it has been silent for 30 days', () => {
    const first = bootAt(1, { stored: [[0, 3]], closed: false })
    const boots = [first, ...Array.from({ length: BOOTS_KEPT + 5 }, (_, i) => bootAt(i + 2))]
    expect(applied(boots, 100).get('a control')?.boots.has(first.boot)).toBe(true)
    const later = bootAt(BOOTS_KEPT + 7, { heard_ms: 1 + SILENT_MS })
    const stream = applied([...boots, later], 100).get('a control')
    expect(stream?.boots.has(first.boot)).toBe(false)
    expect(stream?.forgotten).toMatchObject({ lost: 2, broken: 2 })
  })

  test('a stream keeps so many boots at most: the oldest go, and what they lack is lost', () => {
    const boots = Array.from({ length: BOOTS_MAX + 3 }, (_, i) => bootAt(i + 1, { stored: [[0, 3]], closed: false }))
    for (const [order, steps] of [[boots, 1] as const, [boots.toReversed(), boots.length] as const]) {
      const stream = applied(order, steps).get('a control')
      expect(stream).toMatchObject({ floor: '1-3-00000000', forgotten: { boots: 3, stored: 9, pending: 0, lost: 6 } })
      expect([...(stream?.boots.keys() ?? [])]).toEqual(boots.slice(3).map(({ boot }) => boot))
    }
  })

  test('of too many dropped ranges the older ones become one, which changes nothing where what lies between was received', () => {
    const spans = (from: number): Interval[] =>
      Array.from({ length: BOOT_DROPPED_MAX }, (_, i) => [2 * i + from, 2 * i + 1 + from])
    const [even, odd] = [spans(0), spans(1)]
    const next = 2 * BOOT_DROPPED_MAX + 1
    const all = bootAt(1, { stored: odd, dropped: even, next, acked: next })
    const more = bootAt(1, { stored: [], dropped: [[next - 1, next]] })
    const [before, after] = [[all], [all, more]].map((list) => applied(list, 1).get('a control')?.boots.get(all.boot))
    expect(before?.dropped).toHaveLength(BOOT_DROPPED_MAX)
    expect(after?.dropped).toHaveLength(BOOT_DROPPED_MAX / 2)
    expect(after?.dropped.at(-1)).toEqual([next - 1, next])
    const account = after && accountOf(after, 0)
    expect(account).toMatchObject({
      sent: next,
      stored: BOOT_DROPPED_MAX,
      dropped: BOOT_DROPPED_MAX + 1,
      lost: 0,
      broken: 0,
    })
  })

  test('sums of forgotten boots stay at the last number that counts exactly, and are read back', () => {
    const max = Number.MAX_SAFE_INTEGER
    const all = { stored: [], dropped: [[0, max]], next: max, acked: max } as const
    const ranges = applied(
      Array.from({ length: BOOTS_KEPT + 3 }, (_, i) => bootAt(i + 1, all)),
      10,
    )
    expect(ranges.get('a control')?.forgotten).toMatchObject({ boots: 3, sent: max, dropped: max, stored: 0 })
    expect(decodeRanges(name, encodeRanges(name, ranges))).toEqual(ranges)
  })

  test('a snapshot of form 1, which knew of nothing that is gone, is read', () => {
    const ranges = applied([bootAt(1)], 1)
    const older = Buffer.from(encodeRanges(name, ranges)).toString().replace('"hearth_ranges":2', '"hearth_ranges":1')
    expect(decodeRanges(name, Buffer.from(older))).toEqual(ranges)
  })

  test('a snapshot that is damaged, of another bucket or of a newer form is refused', () => {
    const bytes = Buffer.from(encodeRanges(name, applied([bootAt(1)], 1)))
    expect(() => decodeRanges({ ...name, bucket: 3 }, bytes)).toThrow(/are those of epoch 1, bucket 2/)
    expect(() => decodeRanges(name, Buffer.from(bytes.toString().replace('"control"', '"contro1"')))).toThrow(
      /checksum/,
    )
    const newer = Buffer.from(bytes.toString().replace('"hearth_ranges":2', '"hearth_ranges":3'))
    expect(() => decodeRanges(name, newer)).toThrow(/form 3; this Hearth reads up to 2/)
  })

  test.each<[string, Partial<Addition>]>([
    ['an end past what counts exactly', { dead: [[2 ** 53 - 1, 2 ** 53]] }],
    ['a number below 0', { acked: -1 }],
    ['a number that is none', { dropped: [[0, Number.NaN]] }],
    ['half a number', { next: 0.5 }],
    ['a time that is none', { heard_ms: Number.NaN }],
  ])('with %s, which no reader takes, are never written', (_, change) => {
    const bad = bootAt(1, change)
    const stream = { source: 'a', stream: 'control', floor: undefined, forgotten: NO_TOTALS }
    expect(() => formatAddition(bad)).toThrow(/assertion failed: ranges of boot 1-1-00000000/)
    expect(() =>
      encodeRanges(name, new Map([['a control', { ...stream, boots: new Map([[bad.boot, bad]]) }]])),
    ).toThrow(/assertion failed: ranges of a control 1-1-00000000/)
    const sums = { ...stream, forgotten: { ...NO_TOTALS, sent: 2 ** 53 }, boots: new Map() }
    expect(() => encodeRanges(name, new Map([['a control', sums]]))).toThrow(/assertion failed: sums/)
  })

  test('names of sources are keyed', () => {
    const [a, b] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    expect(sourceKey(a, 'demo-01')).toBe(sourceKey(a, 'demo-01'))
    expect(sourceKey(a, 'demo-01')).not.toBe(sourceKey(b, 'demo-01'))
    expect(sourceKey(a, 'demo-01')).not.toContain('demo')
  })
})
