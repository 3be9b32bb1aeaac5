import type { Invariant } from '../evidence.ts'

/** Each position of each log became the row of one batch, once, up to where the table says that it stands. */
export const positionsAreContiguous: Invariant = {
  name: 'positions are contiguous',
  check({ rows, logs }) {
    const batches = Map.groupBy(
      rows.filter((row) => row.kind === 'batch'),
      (row) => `${row.log} bucket ${row.bucket}`,
    )
    return logs.flatMap(({ id, buckets, positions }) =>
      buckets.flatMap((records, bucket) => {
        const where = `${id} bucket ${bucket}`
        const read = (batches.get(where) ?? []).map(({ position }) => position)
        const position = positions[bucket]
        const wrong = read
          .toSorted((a, b) => a - b)
          .flatMap((found, i) => (found === i + 1 ? [] : [`${where}: row ${i + 1} of kind batch is of ${found}`]))
        if (read.length !== position)
          wrong.push(`${where}: the table stands at ${position} with ${read.length} batches`)
        if (position !== records.length)
          wrong.push(`${where}: the log holds ${records.length} batches, the table ${position}, at rest`)
        return wrong.slice(0, 3)
      }),
    )
  },
}
