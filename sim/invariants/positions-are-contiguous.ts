import type { Invariant } from '../evidence.ts'

/** Each position of each log, but for those of an erased hub, became the row of one batch or of a dead one, once, up to where the table says that it stands. */
export const positionsAreContiguous: Invariant = {
  name: 'positions are contiguous',
  check({ rows, logs, erased }) {
    const batches = Map.groupBy(
      rows.filter((row) => row.ordinal === -1),
      (row) => `${row.log} bucket ${row.bucket}`,
    )
    return logs.flatMap(({ id, buckets, positions }) =>
      buckets.flatMap((records, bucket) => {
        const where = `${id} bucket ${bucket}`
        const read = (batches.get(where) ?? []).map(({ position }) => position)
        const position = positions[bucket]
        const expected = records.flatMap(({ source }, i) => (erased.has(source) ? [] : [i + 1]))
        const wrong = read
          .toSorted((a, b) => a - b)
          .flatMap((at, i) => (at === expected[i] ? [] : [`${where}: row ${i + 1} of kind batch is of ${at}`]))
        if (read.length !== expected.filter((at) => at <= (position ?? 0)).length)
          wrong.push(`${where}: the table stands at ${position} with ${read.length} batches`)
        if (position !== records.length)
          wrong.push(`${where}: the log holds ${records.length} batches, the table ${position}, at rest`)
        return wrong.slice(0, 3)
      }),
    )
  },
}
