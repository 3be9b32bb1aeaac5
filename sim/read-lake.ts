import type { Layout } from '../contract/bucket.ts'
import type { Clock, Random } from '../contract/clock.ts'
import { isProblem } from '../contract/problem.ts'
import { positionTxn } from '../ingest/position.ts'
import type { Ranges } from '../ingest/ranges.ts'
import { decodeRanges, sourceKey } from '../ingest/ranges-form.ts'
import { loadRanges, rangesKey } from '../ingest/ranges-store.ts'
import { openTable } from '../lake/table.ts'
import type { Archive, Truth } from './archive.ts'
import type { Evidence } from './evidence.ts'
import type { IngestNode } from './ingest-node.ts'
import { plainCheckpoints } from './plain-checkpoints.ts'
import { decodeRows, type Row } from './row-encoder.ts'

/** The rows of any version, though its files may be gone. */
export function rowReader(archive: Archive): (version?: number) => readonly Row[] {
  const files = new Map<string, readonly Row[]>()
  return (version) =>
    [...archive.snapshot(version).files.keys()].flatMap((path) => {
      const rows = files.get(path) ?? decodeRows(archive.read(`events/${path}`))
      files.set(path, rows)
      return rows
    })
}

/** What the table, the ranges and the log say when all has come to rest, to one who comes anew. */
export async function readLake(options: {
  readonly archive: Archive
  readonly rowsAt: ReturnType<typeof rowReader>
  readonly layout: Layout
  readonly clock: Clock
  readonly random: Random
  readonly ingest: IngestNode
  readonly bugs: string[]
}): Promise<Pick<Evidence, 'rows' | 'gone' | 'ranges' | 'snapshots' | 'logs' | 'losses' | 'sourceKey' | 'archive'>> {
  const { archive, layout, clock, ingest, rowsAt } = options
  const { store } = archive
  const table = openTable({ store, clock, checkpoints: plainCheckpoints }, 'events')
  /** What cannot be read at rest is somebody's fault; what else there is is looked at all the same. */
  const told = async <T>(read: Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await read
    } catch (error) {
      if (!isProblem(error)) throw error
      options.bugs.push(`one who comes anew: ${error.message}`)
      return otherwise
    }
  }
  const snapshot: Truth = await told<Truth>(table.snapshot(), archive.snapshot())
  const buckets = Array.from({ length: layout.buckets }, (_, bucket) => bucket)
  const rows: Row[] = []
  const gone: string[] = []
  for (const path of snapshot.files.keys()) {
    try {
      rows.push(...decodeRows(await store.get(`events/${path}`)))
    } catch (error) {
      if (!isProblem(error, 'missing')) throw error
      gone.push(path)
    }
  }
  const nothing: Awaited<ReturnType<typeof loadRanges>> = new Map()
  const loaded = await told(loadRanges({ store, table, layout }, buckets, snapshot.version), nothing)
  const snapshots = buckets.flatMap((bucket) => {
    const folder = `_hearth/ranges/${layout.epoch}/${bucket}/`
    return archive.paths(folder).map((path): Evidence['snapshots'][number] => {
      const version = Number(path.slice(folder.length))
      const ranges = decodeRanges({ epoch: layout.epoch, bucket, version }, archive.read(path))
      const known = version <= archive.newest ? rowsAt(version) : []
      return { version, ranges, rows: known.filter((row) => row.bucket === bucket) }
    })
  })
  const key = await rangesKey(store, options.random)
  const names = new Map<string, string>()
  return {
    rows,
    gone,
    archive,
    snapshots,
    ranges: new Map([...loaded].map(([bucket, { ranges }]): [number, Ranges] => [bucket, ranges])),
    logs: ingest.log.topics.map(({ id, everything }) => ({
      id,
      buckets: everything,
      positions: buckets.map((bucket) => snapshot.txns.get(positionTxn(id, layout, bucket)) ?? 0),
    })),
    losses: ingest.losses,
    sourceKey: (source) => {
      const name = names.get(source) ?? sourceKey(key, source)
      names.set(source, name)
      return name
    },
  }
}
