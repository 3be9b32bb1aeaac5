import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import type { AddFile } from './action.ts'
import { problemOf, rowsOf } from './duckdb.ts'
import { promotedOf, promoteSql } from './promoted.ts'
import type { Hit, RowRemover } from './removal.ts'
import { openRewriting, type RewritingOptions } from './rewriting.ts'
import { scanSql } from './scan.ts'
import { rowsIn } from './table-shape.ts'
import { writeFile } from './write.ts'

export type RowRemoverOptions = RewritingOptions & {
  /** SQL condition of the rows that go; undefined: all rows of the files, which are not read for it. */
  readonly where: string | undefined
  /** What the commit says of the rows that it takes away, which `taken` selects. */
  told(connection: DuckDBConnection, taken: string): Promise<Readonly<Record<string, unknown>>>
}

const counted = z.object({ rows: z.coerce.number(), left: z.coerce.number() })

/** Takes rows out of files by DuckDB. Raises what `writeFile` raises. */
export async function openRowRemover(options: RowRemoverOptions): Promise<RowRemover> {
  const { table, where, told } = options
  const goes = `coalesce((${where}), false)`
  const rewriting = await openRewriting(options)
  const { connection, local } = rewriting
  return {
    async hits(base, files, signal) {
      if (where === undefined) return files.map((add) => ({ add, rows: rowsIn([add]), left: 0 }))
      await using held = await local.hold(table.prefix, files, signal)
      const hits: Hit[] = []
      for (const file of held.files) {
        const count = `SELECT count(*) AS rows, count(*) FILTER (WHERE NOT ${goes}) AS left FROM (${scanSql(base, [file])})`
        const [row] = await guarded(() => rowsOf(connection, count))
        const { rows, left } = counted.parse(row)
        if (left < rows) hits.push({ add: file.add, rows, left })
      }
      return hits
    },

    async rewrite(base, files, stay, signal) {
      if (where === undefined) return { adds: [], info: await told(connection, 'SELECT NULL WHERE false') }
      const adds: AddFile[] = []
      await using held = await local.hold(table.prefix, files, signal)
      for (const file of held.files) {
        const { add } = file
        if (!stay.has(add.path)) continue
        const { rows: _, ...written } = await writeFile({
          ...rewriting.of(base),
          partitionValues: add.partitionValues,
          ...(add.tags && { tags: add.tags }),
          select: promoteSql(`SELECT * FROM (${scanSql(base, [file])}) WHERE NOT ${goes}`, promotedOf(base)),
        })
        adds.push(written)
      }
      const taken = `SELECT * FROM (${scanSql(base, held.files)}) WHERE ${goes}`
      return { adds, info: await guarded(() => told(connection, taken)) }
    },

    [Symbol.asyncDispose]: () => rewriting[Symbol.asyncDispose](),
  }
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw problemOf('files that rows are to be taken from could not be read', error)
  }
}
