import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { type Random, randomHex } from '../../contract/clock.ts'
import { Problem } from '../../contract/problem.ts'
import type { LocalFiles } from '../../lake/local-files.ts'
import type { ObjectStore } from '../../lake/object-store.ts'
import { literal } from '../../lake/schema.ts'
import { sparkUri } from './source.ts'

/** Rows that go between DuckDB and Spark, as Parquet beside the tables of the lake; gone when it is disposed of. */
export type Exchange = {
  uri(name: string): string
  /** Writes the rows of a SELECT for Spark to read. */
  put(connection: DuckDBConnection, name: string, select: string): Promise<void>
  /** What Spark wrote, as files of this machine. Raises `unavailable` when it did not write to the end. */
  take(name: string, signal: AbortSignal | undefined): Promise<Taken>
  [Symbol.asyncDispose](): Promise<void>
}

type Taken = { readonly paths: readonly string[]; [Symbol.asyncDispose](): Promise<void> }

export function openExchange(
  store: ObjectStore,
  local: LocalFiles,
  { random, scratch_folder }: { readonly random: Random; readonly scratch_folder: string },
): Exchange {
  const folder = `_hearth/spark/${randomHex(random, 8)}`
  const taken: string[] = []
  return {
    uri: (name) => sparkUri(store, `${folder}/${name}`),

    async put(connection, name, select) {
      await mkdir(scratch_folder, { recursive: true })
      const file = join(scratch_folder, `${randomHex(random, 16)}.parquet`)
      try {
        await connection.run(`COPY (${select}) TO ${literal(file)} (FORMAT parquet, COMPRESSION zstd)`)
        await store.put(`${folder}/${name}`, { file })
      } finally {
        await rm(file, { force: true })
      }
    },

    async take(name, signal) {
      const found = await Array.fromAsync(store.list(`${folder}/${name}/`))
      const names = found.map(({ path, size_bytes }) => ({ path: path.slice(folder.length + 1), size: size_bytes }))
      if (!names.some(({ path }) => path === `${name}/_SUCCESS`))
        throw new Problem('unavailable', `Spark left no whole result at ${sparkUri(store, `${folder}/${name}`)}`)
      const adds = names
        .filter(({ path }) => path.endsWith('.parquet'))
        .map((file) => ({ ...file, partitionValues: {}, modificationTime: 0, dataChange: false }))
      const held = await local.hold(folder, adds, signal)
      taken.push(...adds.map(({ path }) => `${folder}/${path}`))
      return { paths: held.files.map(({ path }) => path), [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() }
    },

    async [Symbol.asyncDispose]() {
      await local.forget(taken)
      for await (const { path } of store.list(`${folder}/`)) await store.delete(path)
      // Of a store whose prefixes are folders.
      const place = store.localPath?.(folder)
      if (place !== undefined) await rm(place, { recursive: true, force: true })
    },
  }
}
