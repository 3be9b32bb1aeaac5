import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type DuckDBConnection,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  type DuckDBValue,
} from '@duckdb/node-api'
import { assert, isProblem, messageOf, Problem } from '../contract/problem.ts'
import {
  type AddFile,
  addAction,
  addFile,
  located,
  type Metadata,
  metadataAction,
  type Protocol,
  protocolAction,
  type RemoveFile,
  removeAction,
  removeFile,
  txnAction,
} from './action.ts'
import type { CheckpointCodec } from './checkpoint.ts'
import { openDuckDb, rowsOf } from './duckdb.ts'
import { literal } from './schema.ts'
import { type Snapshot, snapshotOf } from './snapshot.ts'

/** The columns of a checkpoint and their types (PROTOCOL.md, "Checkpoint Schema"). Statistics stay JSON. */
const MAP = 'MAP(VARCHAR, VARCHAR)'
const COLUMNS: Readonly<Record<string, string>> = {
  txn: 'STRUCT(appId VARCHAR, "version" BIGINT, lastUpdated BIGINT)',
  add: `STRUCT(path VARCHAR, partitionValues ${MAP}, size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR, tags ${MAP})`,
  remove: `STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata BOOLEAN, partitionValues ${MAP}, size BIGINT)`,
  metaData: `STRUCT(id VARCHAR, "name" VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, options ${MAP}), schemaString VARCHAR, partitionColumns VARCHAR[], configuration ${MAP}, createdTime BIGINT)`,
  protocol: 'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER)',
}
const WITH_FEATURES =
  'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures VARCHAR[], writerFeatures VARCHAR[])'

/** Checkpoints as Parquet, by DuckDB: what delta-rs and Spark accept. */
export const parquetCheckpoints: CheckpointCodec = {
  encode: (snapshot) =>
    withDuckDb(async (connection, folder) => {
      const source = join(folder, 'actions.json')
      const target = join(folder, 'checkpoint.parquet')
      await writeFile(source, [...linesOf(snapshot)].join('\n'))
      const { readerFeatures, writerFeatures } = snapshot.protocol
      const types = (readerFeatures ?? writerFeatures) ? { ...COLUMNS, protocol: WITH_FEATURES } : COLUMNS
      const columns = Object.entries(types).map(([name, type]) => `${literal(name)}: ${literal(type)}`)
      const read = `read_json(${literal(source)}, format = 'newline_delimited', maximum_object_size = 16777216, columns = {${columns.join(', ')}})`
      await connection.run(
        `COPY (SELECT * FROM ${read}) TO ${literal(target)} (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v1)`,
      )
      return await readFile(target)
    }),

  decode: (version, ...parts) =>
    withDuckDb(async (connection, folder) => {
      const sources: string[] = []
      for (const [i, bytes] of parts.entries()) {
        sources.push(join(folder, `${i}.parquet`))
        await writeFile(join(folder, `${i}.parquet`), bytes)
      }
      try {
        return await decodeFiles(connection, version, sources)
      } catch (error) {
        throw isProblem(error) ? error : new Problem('corrupt', messageOf(error), { cause: error })
      }
    }),
}

function* linesOf({ protocol, metadata, txns, files, removed }: Snapshot): Iterable<string> {
  yield JSON.stringify({ protocol })
  yield JSON.stringify({ metaData: metadata })
  for (const [appId, version] of txns) yield JSON.stringify({ txn: { appId, version } })
  for (const remove of removed.values())
    yield JSON.stringify({ remove: { ...removeAction(remove), dataChange: false } })
  for (const add of files.values()) yield JSON.stringify({ add: { ...addAction(add), dataChange: false } })
}

async function decodeFiles(connection: DuckDBConnection, version: number, paths: readonly string[]): Promise<Snapshot> {
  const file = `read_parquet([${paths.map(literal).join(', ')}], union_by_name = true)`
  const present = new Set((await rowsOf(connection, `DESCRIBE SELECT * FROM ${file}`)).map((row) => row['column_name']))
  const read = async function* (name: string): AsyncIterable<unknown> {
    if (!present.has(name)) return
    const found = await connection.runAndReadAll(`SELECT "${name}" FROM ${file} WHERE "${name}" IS NOT NULL`)
    for (const [action = null] of found.getRows()) yield plainOf(action)
  }
  let protocol: Protocol | undefined
  let metadata: Metadata | undefined
  const files = new Map<string, AddFile>()
  const removed = new Map<string, RemoveFile>()
  const txns = new Map<string, number>()
  for await (const action of read('protocol')) protocol = protocolAction.parse(action)
  for await (const action of read('metaData')) metadata = metadataAction.parse(action)
  for await (const action of read('txn')) {
    const txn = txnAction.parse(action)
    txns.set(txn.appId, txn.version)
  }
  for await (const action of read('remove')) {
    const remove = located(removeFile.parse(action))
    removed.set(remove.path, remove)
  }
  for await (const action of read('add')) {
    const add = located(addFile.parse(action))
    files.set(add.path, add)
  }
  assert(protocol && metadata, 'a checkpoint has protocol and metaData')
  const timestamp_ms = [...files.values()].reduce((newest, add) => Math.max(newest, add.modificationTime), 0)
  return snapshotOf({ version, timestamp_ms, protocol, metadata, files, txns, removed })
}

/** A value of DuckDB as JSON has it. DuckDB's own `to_json` now and then writes a map's key wrongly that JSON escapes. */
function plainOf(value: DuckDBValue): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof DuckDBListValue) return value.items.map(plainOf)
  if (value instanceof DuckDBMapValue) {
    return Object.fromEntries(value.entries.map(({ key, value }) => [String(key), plainOf(value)]))
  }
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, field]) => [name, plainOf(field)]))
  }
  return value
}

async function withDuckDb<T>(use: (connection: DuckDBConnection, folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-checkpoint-'))
  try {
    await using duckdb = await openDuckDb({ threads: 1 })
    return await use(duckdb.connection, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
