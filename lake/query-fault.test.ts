import { expect, test } from 'vitest'
import type { HeldTable } from './local-files.ts'
import { queryFault } from './query-fault.ts'

const held = (prefix: string, ...names: string[]): HeldTable => ({
  ...{ prefix, fetched_bytes: 0, cached_files: 0, [Symbol.asyncDispose]: async () => undefined },
  files: names.map((name) => ({
    ...{ path: `/cache/${name}` },
    add: { path: `part-${name}.parquet`, partitionValues: {}, size: 1, modificationTime: 0, dataChange: true },
  })),
})
const told = (message: string, ...read: HeldTable[]) => queryFault(new Error(message), read, undefined)

test('a damaged file is named by its object, and so is what to do', () => {
  const problem = told("Invalid Input Error: No magic bytes found at end of file '/cache/b'", held('events', 'a', 'b'))
  expect(problem).toMatchObject({
    kind: 'corrupt',
    message: expect.stringMatching(/^the data file events\/part-b.parquet .*restore it/),
  })
})

test.each([
  'Invalid Input Error: The width (121) of the bitpacked data exceeds the supported max width (32), the file might be corrupted.',
  'Invalid Input Error: ZSTD Decompression failure',
])('what the bytes of a file cannot be is damage: %s', (message) => {
  expect(told(message, held('events', 'a'))).toMatchObject({
    kind: 'corrupt',
    message: expect.stringContaining('the data file events/part-a.parquet cannot be read'),
  })
})

test('of damage that names no file the tables are named, or the one file that was read', () => {
  const message = 'Invalid Error: TProtocolException: Invalid data'
  expect(told(message, held('events', 'a')).message).toContain('the data file events/part-a.parquet')
  expect(told(message, held('events', 'a'), held('hub_hours', 'b')).message).toContain(
    '2 data files that were read of events, hub_hours',
  )
})

test('a file that is gone is missing', () => {
  const problem = told('IO Error: No files found that match the pattern "/cache/a"', held('events', 'a', 'b'))
  expect(problem).toMatchObject({
    kind: 'missing',
    message: expect.stringContaining('events/part-a.parquet is no longer there'),
  })
})

test('what the engine says of a statement is passed on', () => {
  expect(told('Binder Error: no column x')).toMatchObject({ kind: 'invalid', message: 'no column x' })
})
