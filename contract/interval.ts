/**
 * Sets of whole numbers kept as sorted, disjoint, non-touching half-open intervals [from, to).
 * They say which sequence numbers of a stream were received. All functions are pure and linear in the intervals.
 */
export type Interval = readonly [from: number, to: number]
export type IntervalSet = readonly Interval[]

/** The intervals in any order, merged into a set; empty ones vanish. */
export function intervalSet(intervals: Iterable<Interval>): IntervalSet {
  const sorted = [...intervals].filter(([from, to]) => from < to).sort((a, b) => a[0] - b[0])
  const merged: [number, number][] = []
  for (const [from, to] of sorted) {
    const last = merged.at(-1)
    if (last && from <= last[1]) last[1] = Math.max(last[1], to)
    else merged.push([from, to])
  }
  return merged
}

/** What is in either; what lies behind all of `a`, the usual case, is not sorted. */
export function union(a: IntervalSet, b: IntervalSet): IntervalSet {
  const [last, first] = [a.at(-1), b[0]]
  if (!first) return a
  if (!last || first[0] > last[1]) return [...a, ...b]
  if (first[0] === last[1]) return [...a.slice(0, -1), [last[0], first[1]], ...b.slice(1)]
  return intervalSet([...a, ...b])
}

/** `set` with [from, to) added; appending at the end, the usual case, does not sort. */
export function add(set: IntervalSet, from: number, to: number): IntervalSet {
  const last = set.at(-1)
  if (from >= to) return set
  if (!last || from > last[1]) return [...set, [from, to]]
  if (from === last[1]) return [...set.slice(0, -1), [last[0], to]]
  return intervalSet([...set, [from, to]])
}

/** What is in `a` and not in `b`. */
export function subtract(a: IntervalSet, b: IntervalSet): IntervalSet {
  const result: Interval[] = []
  let j = 0
  for (const [from, to] of a) {
    let start = from
    while (j > 0 && (b[j - 1]?.[1] ?? 0) > start) j--
    while (j < b.length && (b[j]?.[1] ?? 0) <= start) j++
    for (let k = j; k < b.length; k++) {
      const hole = b[k]
      if (!hole || hole[0] >= to) break
      if (hole[0] > start) result.push([start, hole[0]])
      start = Math.max(start, hole[1])
    }
    if (start < to) result.push([start, to])
  }
  return result
}

/** What is in both. */
export function intersect(a: IntervalSet, b: IntervalSet): IntervalSet {
  return subtract(a, subtract(a, b))
}

/** How many numbers are in the set. */
export function size(set: IntervalSet): number {
  let total = 0
  for (const [from, to] of set) total += to - from
  return total
}

/** The part of the set below `limit`. */
export function below(set: IntervalSet, limit: number): IntervalSet {
  return intersect(set, [[Number.MIN_SAFE_INTEGER, limit]])
}
