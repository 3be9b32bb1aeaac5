import { describe, expect, test } from 'vitest'
import type { Metadata, Protocol, RemoveFile } from './action.ts'
import { checkReadable, checkWritable } from './protocol.ts'

const METADATA: Metadata = {
  id: 'm',
  format: { provider: 'parquet', options: {} },
  schemaString: '{"type":"struct","fields":[]}',
  partitionColumns: [],
  configuration: {},
}
const field = (metadata: unknown, nullable = true) =>
  JSON.stringify({ type: 'struct', fields: [{ name: 'x', type: 'long', nullable, metadata }] })
const features = (...writerFeatures: string[]): Protocol => ({
  minReaderVersion: 1,
  minWriterVersion: 7,
  writerFeatures,
})
const version = (minWriterVersion: number): Protocol => ({ minReaderVersion: 1, minWriterVersion })

describe('a feature is refused to a writer where it is used', () => {
  test.each<[string, number, Partial<Metadata>]>([
    ['invariants', 2, { schemaString: field({ 'delta.invariants': '{}' }) }],
    ['invariants', 2, { schemaString: field({}, false) }],
    ['checkConstraints', 3, { configuration: { 'delta.constraints.positive': 'x > 0' } }],
    ['changeDataFeed', 4, { configuration: { 'delta.enableChangeDataFeed': 'true' } }],
    ['generatedColumns', 4, { schemaString: field({ 'delta.generationExpression': 'y + 1' }) }],
    ['columnMapping', 5, { configuration: { 'delta.columnMapping.mode': 'name' } }],
    ['identityColumns', 6, { schemaString: field({ 'delta.identity.start': 1 }) }],
  ])('%s, by its name and by writer version %i', (feature, writer, used) => {
    for (const protocol of [features(feature), version(writer)]) {
      expect(() => checkWritable(protocol, { ...METADATA, ...used }, [])).toThrow(feature)
      expect(() => checkWritable(protocol, METADATA, [])).not.toThrow()
    }
  })

  test.each(['deletionVectors', 'rowTracking', 'domainMetadata', 'telepathy'])('%s always', (feature) => {
    expect(() => checkWritable(features('appendOnly', feature), METADATA, [])).toThrow(feature)
  })

  test('a writer version that nobody knows', () => {
    expect(() => checkWritable(version(8), METADATA, [])).toThrow('writer version 8')
  })
})

test('a table for appends alone lets files be joined, and no rows be removed', () => {
  const metadata = { ...METADATA, configuration: { 'delta.appendOnly': 'true' } }
  const remove: RemoveFile = { path: 'a', deletionTimestamp: 0, dataChange: true }
  expect(() => checkWritable(version(2), metadata, [])).not.toThrow()
  expect(() => checkWritable(version(2), metadata, [{ ...remove, dataChange: false }])).not.toThrow()
  expect(() => checkWritable(version(2), metadata, [remove])).toThrow('delta.appendOnly')
})

test('reader features that ask nothing of a reader like Hearth are read, others are named', () => {
  const reader = (...readerFeatures: string[]): Protocol => ({
    minReaderVersion: 3,
    minWriterVersion: 7,
    readerFeatures,
  })
  expect(() => checkReadable(reader('timestampNtz', 'columnMapping', 'typeWidening'), METADATA)).not.toThrow()
  expect(() => checkReadable(reader('timestampNtz', 'variantType', 'telepathy'), METADATA)).toThrow(
    'reader features variantType, telepathy',
  )
})
