import type { Layout } from '../contract/bucket.ts'
import { type Clock, type Random, randomHex } from '../contract/clock.ts'
import { type Addition, joinAdditions } from '../ingest/ranges.ts'
import { sourceKey } from '../ingest/ranges-form.ts'
import { commitRanges } from '../ingest/ranges-store.ts'
import { TOUCHED_NOTHING } from '../ingest/taken-rows.ts'
import type { AddFile } from '../lake/action.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { RowRemover } from '../lake/removal.ts'
import { addOf, decodeRows, type Row } from './row-encoder.ts'

/** Takes the rows of a hub, its own and those of services, out of files of rows as lines of JSON, in place of DuckDB. */
export function plainRemover(options: {
  readonly store: ObjectStore
  readonly layout: Layout
  readonly key: Uint8Array
  readonly clock: Clock
  readonly random: Random
  readonly hub: string
}): RowRemover {
  const { store, layout, key, clock, random, hub } = options
  const goes = ({ source, kind, hub: of, line }: Row) =>
    source === hub || of === hub || (kind === 'dead' && line.includes(JSON.stringify(hub)))
  const read = async ({ path }: AddFile) => decodeRows(await store.get(`events/${path}`))
  return {
    async hits(_, files) {
      const counted = []
      for (const add of files) {
        const rows = await read(add)
        counted.push({ add, rows: rows.length, left: rows.filter((row) => !goes(row)).length })
      }
      return counted.filter(({ rows, left }) => left < rows)
    },

    async rewrite(_, files, stay) {
      const adds: AddFile[] = []
      const taken: Row[] = []
      for (const old of files) {
        const rows = await read(old)
        taken.push(...rows.filter(goes))
        if (!stay.has(old.path)) continue
        const path = `${old.path.slice(0, old.path.lastIndexOf('/'))}/${randomHex(random, 8)}.parquet`
        const left = rows.filter((row) => !goes(row))
        adds.push({ ...(await addOf(store, path, left)), tags: old.tags, modificationTime: clock.now() })
      }
      const gone = Map.groupBy(taken.flatMap(goneOf), ({ bucket }) => bucket)
      const additions = [...gone].map(([bucket, all]) => {
        const named = all.map(({ source, addition }) => ({ ...addition, source: sourceKey(key, source) }))
        return [bucket, joinAdditions(named)] as const
      })
      const ranges = await commitRanges(store, layout.epoch, new Map(additions))
      return { adds, info: { touched: TOUCHED_NOTHING, ranges } }
    },

    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** The numbers of a row that the ranges know as gone without it. */
function goneOf({ bucket, source, boot, stream, seq, claim }: Row): {
  readonly bucket: number
  readonly source: string
  readonly addition: Omit<Addition, 'source'>
}[] {
  const span = claim ?? (seq >= 0 ? ([seq, seq + 1] as const) : undefined)
  if (!span) return []
  const nothing = { stored: [], dead: [], dropped: [], next: 0, acked: 0, closed: false, heard_ms: 0 }
  return [{ bucket, source, addition: { ...nothing, boot, stream, gone: [[span[0], span[1]]] } }]
}
