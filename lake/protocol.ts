import { Problem } from '../contract/problem.ts'
import type { Metadata, Protocol } from './action.ts'

/** What Hearth writes: readable by every Delta reader there is. */
export const WRITTEN_PROTOCOL: Protocol = { minReaderVersion: 1, minWriterVersion: 2 }

/** Writer features of version 7 tables that ask nothing of a writer like Hearth. */
const WRITER_FEATURES: readonly string[] = ['appendOnly', 'invariants']

/** Raises `invalid`, naming the feature, for a table that Hearth would misread (PROTOCOL.md, "Table Features"). */
export function checkReadable(protocol: Protocol, metadata: Metadata): void {
  const { minReaderVersion, readerFeatures } = protocol
  const mapping = metadata.configuration['delta.columnMapping.mode'] ?? 'none'
  if (mapping !== 'none') throw refused('read', `column mapping (mode ${mapping})`)
  if (minReaderVersion === 2) throw refused('read', 'reader version 2 (column mapping)')
  if (minReaderVersion === 3 && (readerFeatures ?? []).length > 0) {
    throw refused('read', `the reader feature ${(readerFeatures ?? []).join(', ')}`)
  }
  if (minReaderVersion > 3) throw refused('read', `reader version ${minReaderVersion}; it reads up to 3`)
  if (metadata.format.provider !== 'parquet') throw refused('read', `data files of format ${metadata.format.provider}`)
}

/** Raises `invalid`, naming the feature, for a table whose promises Hearth does not keep as a writer. */
export function checkWritable(protocol: Protocol, metadata: Metadata): void {
  const { minWriterVersion, writerFeatures } = protocol
  const unknown = (writerFeatures ?? []).filter((feature) => !WRITER_FEATURES.includes(feature))
  if (minWriterVersion === 7 && unknown.length > 0) throw refused('write', `the writer feature ${unknown.join(', ')}`)
  if (minWriterVersion !== 7 && minWriterVersion > 2) {
    throw refused(
      'write',
      `writer version ${minWriterVersion}; it writes up to 2, and 7 with ${WRITER_FEATURES.join(', ')}`,
    )
  }
  if (metadata.schemaString.includes('delta.invariants')) throw refused('write', 'column invariants')
}

function refused(verb: 'read' | 'write', what: string): Problem {
  return new Problem(
    'invalid',
    `this version of Hearth does not ${verb} tables that use ${what}: ${verb} it with a newer Hearth or with the engine that made it`,
  )
}
