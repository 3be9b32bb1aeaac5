/**
 * Sets of whole numbers kept as sorted, disjoint, non-touching half-open intervals [from, to).
 * They say which sequence numbers of a stream were received. All functions are pure and linear in the intervals; what is
 * small is added to and taken from a large set without a look at most of it.
 */
export type Interval = readonly [from: number, to: number]
export type IntervalSet = readonly Interval[]

/** The intervals in any order, merged into a set; empty ones vanish. */
export function intervalSet(intervals: Iterable<Interval>): IntervalSet {
  return joined([...intervals].filter(([from, to]) => from < to).sort((a, b) => a[0] - b[0]))
}

/** Of intervals by where they begin. */
function joined(sorted: readonly Interval[]): IntervalSet {
  const set: Interval[] = []
  for (const interval of sorted) {
    const last = set.at(-1)
    if (!last || interval[0] > last[1]) set.push(interval)
    else if (interval[1] > last[1]) set[set.length - 1] = [last[0], interval[1]]
  }
  return set
}

/** What is in either: `a` itself where `b` adds nothing. */
export function union(a: IntervalSet, b: IntervalSet): IntervalSet {
  const [first, last] = [b[0], b.at(-1)]
  if (!first || !last) return a
  const from = firstWhere(a, ([, to]) => to >= first[0])
  const to = firstWhere(a, ([start]) => start > last[1])
  const middle = a.slice(from, to)
  const both = joined(inTurn(middle, b))
  const isSame = both.length === middle.length && both.every((one, i) => one === middle[i])
  return isSame ? a : [...a.slice(0, from), ...both, ...a.slice(to)]
}

/** By where they begin; of two that begin together that of `a` first. */
function inTurn(a: IntervalSet, b: IntervalSet): readonly Interval[] {
  const all: Interval[] = []
  let i = 0
  for (const next of b) {
    for (let one = a[i]; one && one[0] <= next[0]; one = a[++i]) all.push(one)
    all.push(next)
  }
  return [...all, ...a.slice(i)]
}

/** The first index at which it holds, for what holds of all from there on; the length where of none. */
function firstWhere(set: IntervalSet, holds: (interval: Interval) => boolean): number {
  let [low, high] = [0, set.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(set[middle] as Interval)) high = middle
    else low = middle + 1
  }
  return low
}

/** `set` with [from, to) added. */
export function add(set: IntervalSet, from: number, to: number): IntervalSet {
  return from < to ? union(set, [[from, to]]) : set
}

/** What is in `a` and not in `b`. */
export function subtract(a: IntervalSet, b: IntervalSet): IntervalSet {
  const result: Interval[] = []
  const begin = a[0]?.[0] ?? 0
  let j = firstWhere(b, ([, to]) => to > begin)
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
