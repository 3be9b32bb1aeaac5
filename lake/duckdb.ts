import { type DuckDBConnection, DuckDBInstance, type DuckDBValue, type Json } from '@duckdb/node-api'
import { messageOf, Problem } from '../contract/problem.ts'
import { literal } from './schema.ts'

export type DuckDbOptions = {
  readonly threads?: number
  /** As DuckDB writes it: `512MB`. */
  readonly memory_limit?: string
  /** Where it may spill; nothing is spilled when absent. */
  readonly temp_folder?: string
  /** Shut in: files below these folders can be read, nothing else can be, and no setting changed. */
  readonly locked_to?: readonly string[]
}

export type DuckDb = {
  readonly connection: DuckDBConnection
  /** One more connection to the same database, in UTC as well; disconnect it after use. */
  connect(): Promise<DuckDBConnection>
  [Symbol.asyncDispose](): Promise<void>
}

/** An in-memory DuckDB whose sessions run in UTC and fetch no extensions. Raises `internal` when it cannot start. */
export async function openDuckDb(options: DuckDbOptions = {}): Promise<DuckDb> {
  const settings: Record<string, string> = {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    temp_directory: options.temp_folder ?? '',
    // The kernel caches files; DuckDB's own cache keeps those that are gone, up to all of the memory that it may have.
    enable_external_file_cache: 'false',
  }
  if (options.threads !== undefined) settings['threads'] = String(options.threads)
  if (options.memory_limit !== undefined) settings['memory_limit'] = options.memory_limit
  let instance: DuckDBInstance
  try {
    instance = await DuckDBInstance.create(':memory:', settings)
  } catch (error) {
    throw new Problem('internal', `DuckDB did not start: ${messageOf(error)}`, { cause: error })
  }
  const connect = () => instance.connect()
  const connection = await connect()
  await connection.run("SET GLOBAL TimeZone = 'UTC'")
  if (options.locked_to) await lock(connection, options.locked_to)
  return {
    connection,
    connect,
    async [Symbol.asyncDispose]() {
      connection.disconnectSync()
      instance.closeSync()
    },
  }
}

/** What is turned off cannot be turned on again in this instance. */
async function lock(connection: DuckDBConnection, folders: readonly string[]): Promise<void> {
  const list = folders.map((folder) => literal(folder.endsWith('/') ? folder : `${folder}/`))
  await connection.run(`SET GLOBAL allowed_directories = [${list.join(', ')}]`)
  await connection.run('SET GLOBAL enable_external_access = false')
  await connection.run('SET GLOBAL allow_community_extensions = false')
  await connection.run('SET GLOBAL lock_configuration = true')
}

/** What the machine refuses (disk, memory, open files) is `unavailable`, and may go another time; the rest is `internal`. */
export function problemOf(what: string, error: unknown): Problem {
  if (error instanceof Problem) return error
  const text = messageOf(error)
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const kind = /^(IO|Out of Memory) Error/.test(text) || /^E[A-Z]+$/.test(code) ? 'unavailable' : 'internal'
  return new Problem(kind, `${what}: ${text}`, { cause: error })
}

/** Rows of a statement as objects of JSON values (whole numbers past 32 bits as text). */
export async function rowsOf(
  connection: DuckDBConnection,
  sql: string,
  values?: DuckDBValue[],
): Promise<readonly Record<string, Json>[]> {
  return (await connection.runAndReadAll(sql, values)).getRowObjectsJson()
}
