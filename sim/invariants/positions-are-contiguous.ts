import type { Invariant } from '../evidence.ts'

/** Each position of the log became the row of one batch, once, up to where the table says that it stands. */
export const positionsAreContiguous: Invariant = {
  name: 'positions are contiguous',
  check({ rows, positions, log }) {
    return positions.flatMap((position, bucket) => {
      const read = rows.filter((row) => row.kind === 'batch' && row.bucket === bucket).map((row) => row.position)
      const wrong = read
        .toSorted((a, b) => a - b)
        .flatMap((found, i) =>
          found === i + 1 ? [] : [`bucket ${bucket}: row ${i + 1} of kind batch is of position ${found}`],
        )
      if (read.length !== position)
        wrong.push(`bucket ${bucket}: the table stands at ${position} with ${read.length} batches`)
      if (position !== log[bucket]?.length) {
        wrong.push(`bucket ${bucket}: the log holds ${log[bucket]?.length} batches, the table ${position}, at rest`)
      }
      return wrong.slice(0, 3)
    })
  },
}
