import { type DuckDBConnection, DuckDBInstance, type DuckDBValue, type Json } from '@duckdb/node-api'
import { messageOf, Problem } from '../contract/problem.ts'

export type DuckDbOptions = {
  readonly threads?: number
  /** As DuckDB writes it: `512MB`. */
  readonly memory_limit?: string
  /** Where it may spill; nothing is spilled when absent. */
  readonly temp_folder?: string
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
  }
  if (options.threads !== undefined) settings['threads'] = String(options.threads)
  if (options.memory_limit !== undefined) settings['memory_limit'] = options.memory_limit
  let instance: DuckDBInstance
  try {
    instance = await DuckDBInstance.create(':memory:', settings)
  } catch (error) {
    throw new Problem('internal', `DuckDB did not start: ${messageOf(error)}`, { cause: error })
  }
  const connect = async () => {
    const connection = await instance.connect()
    await connection.run("SET TimeZone = 'UTC'")
    return connection
  }
  const connection = await connect()
  return {
    connection,
    connect,
    async [Symbol.asyncDispose]() {
      connection.disconnectSync()
      instance.closeSync()
    },
  }
}

/** Rows of a statement as objects of JSON values (whole numbers past 32 bits as text). */
export async function rowsOf(
  connection: DuckDBConnection,
  sql: string,
  values?: DuckDBValue[],
): Promise<readonly Record<string, Json>[]> {
  return (await connection.runAndReadAll(sql, values)).getRowObjectsJson()
}
