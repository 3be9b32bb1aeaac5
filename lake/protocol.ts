import { Problem } from '../contract/problem.ts'
import type { Metadata, Protocol, RemoveFile } from './action.ts'

/** What Hearth writes: readable by every Delta reader there is. */
export const WRITTEN_PROTOCOL: Protocol = { minReaderVersion: 1, minWriterVersion: 2 }

/**
 * Reader features that are read (PROTOCOL.md, "Table Features"). A table may have deletion vectors turned on and hold
 * none; a file that has one is refused by the snapshot.
 */
const READ: readonly string[] = [
  ...[
    'columnMapping',
    'deletionVectors',
    'timestampNtz',
    'typeWidening',
    'typeWidening-preview',
    'vacuumProtocolCheck',
  ],
]

/** Writer features that ask something of a writer only where they are used, and how to see that they are. */
const WRITTEN: Readonly<Record<string, (metadata: Metadata) => boolean>> = {
  // What it asks is checked commit by commit.
  appendOnly: () => false,
  invariants: ({ schemaString }) => /"delta\.invariants"|"nullable":\s*false/.test(schemaString),
  checkConstraints: ({ configuration }) => Object.keys(configuration).some((key) => /^delta\.constraints\./i.test(key)),
  changeDataFeed: ({ configuration }) => configuration['delta.enableChangeDataFeed'] === 'true',
  generatedColumns: ({ schemaString }) => schemaString.includes('"delta.generationExpression"'),
  columnMapping: (metadata) => columnMapping(metadata) !== 'none',
  identityColumns: ({ schemaString }) => schemaString.includes('"delta.identity.'),
  allowColumnDefaults: ({ schemaString }) => schemaString.includes('"CURRENT_DEFAULT"'),
  timestampNtz: () => false,
}

/** What a writer version stands for, besides what those below it do (PROTOCOL.md, "Writer Version Requirements"). */
const BY_VERSION: readonly (readonly [number, readonly string[]])[] = [
  [2, ['appendOnly', 'invariants']],
  [3, ['checkConstraints']],
  [4, ['changeDataFeed', 'generatedColumns']],
  [5, ['columnMapping']],
  [6, ['identityColumns']],
]
const FEATURES_VERSION = 7

/** How the names of columns are mapped: `none`, `name` or `id` (PROTOCOL.md, "Column Mapping"). */
export function columnMapping({ configuration }: Metadata): string {
  return configuration['delta.columnMapping.mode'] ?? 'none'
}

/** Raises `invalid`, naming the feature, for a table that Hearth would misread. */
export function checkReadable({ minReaderVersion, readerFeatures }: Protocol, metadata: Metadata): void {
  if (minReaderVersion > 3) throw refused('read', `reader version ${minReaderVersion}; it reads up to 3`)
  const unknown = (readerFeatures ?? []).filter((feature) => !READ.includes(feature))
  if (minReaderVersion === 3 && unknown.length > 0) throw refused('read', featuresText('reader', unknown))
  const mapping = columnMapping(metadata)
  if (!['none', 'name', 'id'].includes(mapping)) throw refused('read', `column mapping (mode ${mapping})`)
  if (metadata.format.provider !== 'parquet') throw refused('read', `data files of format ${metadata.format.provider}`)
}

/**
 * Raises `invalid`, naming the feature, for a table whose promises Hearth does not keep as a writer, or that does not
 * let rows be removed.
 */
export function checkWritable(
  { minWriterVersion, writerFeatures }: Protocol,
  metadata: Metadata,
  removes: readonly RemoveFile[],
): void {
  if (minWriterVersion > FEATURES_VERSION) {
    throw refused('write', `writer version ${minWriterVersion}; it writes up to ${FEATURES_VERSION}`)
  }
  const features =
    minWriterVersion === FEATURES_VERSION
      ? (writerFeatures ?? [])
      : BY_VERSION.flatMap(([version, names]) => (version <= minWriterVersion ? names : []))
  const kept = features.filter((feature) => WRITTEN[feature]?.(metadata) ?? true)
  if (kept.length > 0) throw refused('write', featuresText('writer', kept))
  if (metadata.configuration['delta.appendOnly'] === 'true' && removes.some(({ dataChange }) => dataChange)) {
    throw new Problem(
      'invalid',
      'the table is for appends alone (delta.appendOnly = true), and rows were to be removed: set it to false with the engine that made it',
    )
  }
}

function featuresText(side: 'reader' | 'writer', names: readonly string[]): string {
  return `the ${side} ${names.length === 1 ? 'feature' : 'features'} ${names.join(', ')}`
}

function refused(verb: 'read' | 'write', what: string): Problem {
  return new Problem(
    'invalid',
    `this version of Hearth does not ${verb} tables that use ${what}: ${verb} it with the engine that made it, drop that there (ALTER TABLE … DROP FEATURE), or use a newer Hearth`,
  )
}
