import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bucketIndexSql, bucketValueSql, GAMMA, RELATIVE_ERROR } from './histogram.ts'

let duckdb: DuckDBConnection
beforeAll(async () => {
  duckdb = await (await DuckDBInstance.create()).connect()
})
afterAll(() => duckdb.closeSync())

/** Bucket of each duration, and the value that stands for it. */
async function bucketsOf(durations: readonly number[]): Promise<unknown[][]> {
  const result = await duckdb.runAndReadAll(
    `SELECT i, ${bucketValueSql('i')} FROM (
       SELECT ordinal, ${bucketIndexSql('d')} AS i FROM (
         SELECT unnest([${durations.map((d) => `CAST('${d}' AS DOUBLE)`).join(', ')}]) AS d, unnest(range(${durations.length})) AS ordinal))
     ORDER BY ordinal`,
  )
  return result.getRowsJson()
}

test('a duration is in the bucket that covers it, whose value is within the relative error', async () => {
  const duration = fc.double({ min: 0.001, max: 1e7, noNaN: true })
  await fc.assert(
    fc.asyncProperty(fc.array(duration, { minLength: 1, maxLength: 200 }), async (durations) => {
      for (const [row, [index, value]] of (await bucketsOf(durations)).entries()) {
        const d = durations[row] ?? Number.NaN
        expect(d).toBeGreaterThan(GAMMA ** (Number(index) - 1) * (1 - 1e-6))
        expect(d).toBeLessThanOrEqual(GAMMA ** Number(index) * (1 + 1e-6))
        expect(Math.abs(Number(value) - d) / d).toBeLessThanOrEqual(RELATIVE_ERROR + 1e-6)
      }
    }),
  )
})

test('zero and negative durations have no bucket', async () => {
  expect(await bucketsOf([0, -3])).toEqual([
    [null, null],
    [null, null],
  ])
})

test('an exact power of γ is in the bucket that it closes', async () => {
  const powers = [-40, -1, 0, 1, 7, 300]
  const buckets = await bucketsOf(powers.map((power) => GAMMA ** power))
  expect(buckets.map(([index]) => index)).toEqual(powers)
})
