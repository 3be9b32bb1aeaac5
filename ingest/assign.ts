import { assert } from '../contract/problem.ts'

/** One that takes a share, and what it holds now. */
export type Holder = { readonly id: string; readonly holds: readonly number[] }

/**
 * Each of `buckets` to one of `holders`, none to have two more than another. Holders keep what they hold as far as that
 * goes, so that one who comes or leaves moves no more than it must. The same for whoever computes it.
 */
export function assignBuckets(holders: readonly Holder[], buckets: number): ReadonlyMap<string, readonly number[]> {
  const inOrder = holders.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  if (inOrder.length === 0) return new Map()
  const least = Math.floor(buckets / inOrder.length)
  let extras = buckets % inOrder.length
  const free = new Set(Array.from({ length: buckets }, (_, bucket) => bucket))
  const shares = inOrder.map(({ id, holds }) => {
    // Two may believe that they hold a bucket: the first keeps it.
    const wanted = [...new Set(holds)].filter((bucket) => free.has(bucket))
    const more = wanted.length > least && extras > 0
    if (more) extras--
    const kept = wanted.slice(0, least + (more ? 1 : 0))
    for (const bucket of kept) free.delete(bucket)
    return { id, kept }
  })
  for (const bucket of free) {
    const [poorest] = shares.toSorted((a, b) => a.kept.length - b.kept.length)
    assert(poorest, 'somebody takes the bucket')
    poorest.kept.push(bucket)
  }
  return new Map(shares.map(({ id, kept }) => [id, kept.toSorted((a, b) => a - b)]))
}
