import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import { assert, Problem } from '../contract/problem.ts'
import type { AddFile } from './action.ts'
import type { FileJoiner } from './compact.ts'
import { damageIn } from './damage.ts'
import { problemOf, rowsOf } from './duckdb.ts'
import { promotedOf, promoteSql } from './promoted.ts'
import { openRewriting, type RewritingOptions } from './rewriting.ts'
import { type LocalFile, scanSql, storedSql } from './scan.ts'
import { identifier } from './schema.ts'
import type { Snapshot } from './snapshot.ts'
import type { Table } from './table.ts'
import { writeFile } from './write.ts'

/**
 * Joins files by DuckDB. The rows are counted and summed up before and after, and nothing is uploaded that differs.
 * Raises `corrupt` when they differ or a file is damaged, and what `writeFile` raises.
 */
export async function openFileJoiner(options: RewritingOptions): Promise<FileJoiner> {
  const { table } = options
  const rewriting = await openRewriting(options)
  const { connection, local } = rewriting
  return {
    async join(base, { files, tags }, signal) {
      const [first] = files
      assert(first, 'a group has files')
      const { partitionValues } = first
      await using held = await local.hold(table.prefix, files, signal)
      const before = await sumOf(connection, base, held.files).catch(async (error: unknown) => {
        throw (await damageIn(connection, [held])) ?? error
      })
      const { rows: _, ...written } = await writeFile({
        ...rewriting.of(base),
        ...{ partitionValues, tags },
        select: promoteSql(storedSql(base, held.files), promotedOf(base)),
        check: async (path) => {
          const after = await sumOf(connection, base, [{ add: first, path }])
          if (after.rows !== before.rows || after.sum !== before.sum) throw differs(table, files, before, after)
        },
      })
      return written
    },
    [Symbol.asyncDispose]: () => rewriting[Symbol.asyncDispose](),
  }
}

const rowSum = z.object({ rows: z.string(), sum: z.string() })
type RowSum = z.infer<typeof rowSum>

/** How many rows there are, and the sum of their hashes: whatever their order. */
async function sumOf(connection: DuckDBConnection, snapshot: Snapshot, files: readonly LocalFile[]): Promise<RowSum> {
  // A promoted field is the last of the map that it is filled into, and not of the one that it was sent in.
  const all = snapshot.columns
    .map(({ name, type }) => (type === 'map' ? `list_sort(map_entries(${identifier(name)}))` : identifier(name)))
    .join(', ')
  try {
    const [row] = await rowsOf(
      connection,
      `SELECT CAST(count(*) AS VARCHAR) AS rows, CAST(COALESCE(sum(hash(${all})), 0) AS VARCHAR) AS sum FROM (${scanSql(snapshot, files)})`,
    )
    return rowSum.parse(row)
  } catch (error) {
    throw problemOf('files to be joined could not be read', error)
  }
}

function differs(table: Table, files: readonly AddFile[], before: RowSum, after: RowSum): Problem {
  const what = `${files.length} files of ${table.name}, ${files[0]?.path} among them`
  return new Problem(
    'corrupt',
    `joining ${what}, made ${after.rows} rows (sum ${after.sum}) of ${before.rows} (sum ${before.sum}); nothing was changed. Look at the disk and the memory of this machine`,
  )
}
