import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pythonOf } from '../python.ts'

const run = promisify(execFile)
const READER = join(import.meta.dirname, 'read.py')

export type DeltaRsAnswer = {
  readonly version: number
  /** Column name → Arrow type. */
  readonly schema: Readonly<Record<string, string>>
  readonly files: number
  /** Rows of the SQL by delta-rs's own engine over the table `t`. */
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  /** Rows counted by pyarrow over the files that delta-rs names. */
  readonly count: number
}

/** Opens a table as delta-rs does, at its newest version unless one is given, and asks it `sql` over `t`. */
export async function readWithDeltaRs(folder: string, sql: string, version?: number): Promise<DeltaRsAnswer> {
  const request = JSON.stringify({ folder, sql, version: version ?? null })
  const { stdout } = await run(await pythonOf('delta-rs'), [READER, request], { maxBuffer: 16 * 1024 * 1024 })
  return JSON.parse(stdout)
}

/** Appends to a table as delta-rs does: rows of `{column: [values]}` with the table's own schema. */
export async function appendWithDeltaRs(folder: string, sql: string): Promise<void> {
  await run(await pythonOf('delta-rs'), [READER, JSON.stringify({ folder, sql, version: null, append: true })])
}

/** Answers of delta-rs's own engine to several questions over `t`, as rows of values in the words of infra/spark. */
export async function askDeltaRs(
  folder: string,
  questions: readonly string[],
  version?: number,
): Promise<readonly (readonly (readonly unknown[])[])[]> {
  const request = JSON.stringify({ folder, questions, version: version ?? null })
  const { stdout } = await run(await pythonOf('delta-rs'), [READER, request], { maxBuffer: 64 * 1024 * 1024 })
  return JSON.parse(stdout)
}

/** Runs Python with `folder`, `pa`, `DeltaTable` and `write_deltalake` at hand. */
export async function runWithDeltaRs(folder: string, script: string): Promise<void> {
  await run(await pythonOf('delta-rs'), [READER, JSON.stringify({ folder, script })])
}
