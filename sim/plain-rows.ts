import type { AddFile } from '../lake/action.ts'
import { dataFileName } from '../lake/data-file.ts'
import type { Row, WriteRows } from '../lake/write-rows.ts'

/** Writes rows of any table as lines of JSON, in place of Parquet; times are ms since 1970. */
export const writePlainRows: WriteRows = async ({ rows, store, prefix, columns, partitionValues, ...request }) => {
  const path = dataFileName(partitionValues, request.random)
  const body = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  await store.put(`${prefix}/${path}`, body)
  const times = columns.filter(({ type }) => type === 'timestamp').map(({ name }) => name)
  return {
    ...{ path, partitionValues, size: body.length, modificationTime: request.clock.now(), dataChange: true },
    ...{ stats: timesIn(rows, times), ...(request.tags && { tags: request.tags }) },
  }
}

export function decodePlainRows(body: Uint8Array): readonly Row[] {
  const lines = Buffer.from(body).toString().split('\n').slice(0, -1)
  return lines.map((line): Row => JSON.parse(line))
}

/** Statistics of a file: how many rows it has, and from when to when. */
export function timesIn(rows: readonly Row[], columns: readonly string[]): NonNullable<AddFile['stats']> {
  const all = columns.map(
    (name) => [name, rows.flatMap(({ [name]: at }) => (typeof at === 'number' ? [at] : []))] as const,
  )
  const bound = (of: (...all: readonly number[]) => number) =>
    Object.fromEntries(all.flatMap(([name, times]) => (times.length === 0 ? [] : [[name, timeText(of(...times))]])))
  const nullCount = Object.fromEntries(all.map(([name, times]) => [name, rows.length - times.length]))
  return JSON.stringify({ numRecords: rows.length, minValues: bound(Math.min), maxValues: bound(Math.max), nullCount })
}

function timeText(ms: number): string {
  return new Date(ms).toISOString()
}
