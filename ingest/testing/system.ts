import { join } from 'node:path'
import { machineClock, machineRandom as random } from '../../cli/machine.ts'
import type { Clock } from '../../contract/clock.ts'
import { openDuckDb, rowsOf } from '../../lake/duckdb.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { createLake } from '../../lake/lake.ts'
import { openLocalFiles } from '../../lake/local-files.ts'
import { openEventEncoder } from '../event-encoder.ts'
import { openGateway } from '../gateway.ts'
import type { Loss } from '../loss.ts'
import { rangesKey } from '../ranges-store.ts'
import { openSqliteLog } from '../sqlite-log.ts'
import { type Acks, verify } from '../verify.ts'
import { openWriter, type WriterFact, type WriterOptions } from '../writer.ts'

/** Gateway, log, writer and table in a folder, with the real parts. */
export async function openSystem(folder: string, clock: Clock = machineClock) {
  const store = openFolderStore(join(folder, 'lake'))
  const lake = await createLake({ store, clock, random, fleet: 'demo', region: 'local', buckets: 4 })
  const local = await openLocalFiles(store, { cache: undefined, clock })
  const layout = { epoch: 1, buckets: 4 }
  const table = await lake.table('events')
  const log = await openSqliteLog(join(folder, 'log.db'), { buckets: 4, clock, random })
  const encoder = openEventEncoder({
    ...{ store, logId: () => log.id, buckets: 4, clock, random },
  })
  const facts: WriterFact[] = []
  const losses: Loss[] = []
  /** Positions in the order in which a writer took them, and when it ended each gathering (monotonic, ms). */
  const taken: number[] = []
  const finished: number[] = []
  /** `uploaded` happens between the upload of an attempt's files and their commit. */
  const openOne = (
    uploaded: () => Promise<unknown> = () => Promise.resolve(),
    change: Partial<Omit<WriterOptions, 'encoder'>> = {},
  ) =>
    openWriter({
      ...{ log, table, store, layout, clock, random },
      encoder: {
        async begin(erasedHub) {
          const encoding = await encoder.begin(erasedHub)
          return {
            ...encoding,
            async add(batch) {
              await encoding.add(batch)
              taken.push(batch.position)
            },
            async finish(shape) {
              finished.push(clock.monotonic())
              const encoded = await encoding.finish(shape)
              await uploaded()
              return encoded
            },
          }
        },
        close: () => encoder.close(),
      },
      recordLoss: async (loss) => void losses.push(loss),
      note: (fact) => facts.push(fact),
      ...change,
    })
  const gateway = openGateway({ log, layout, clock })
  const duckdb = await openDuckDb({ threads: 1 })
  return {
    ...{ lake, local, store, table, log, gateway, facts, losses, taken, finished, openOne, writer: await openOne() },
    async rows(sql: string) {
      const snapshot = await table.snapshot()
      const paths = [...snapshot.files.keys()].map((path) => `'${join(folder, 'lake', 'events', path)}'`)
      if (paths.length === 0) return []
      const from = `read_parquet([${paths.join(', ')}], union_by_name = true, hive_partitioning = true)`
      return rowsOf(duckdb.connection, sql.replaceAll('FROM events', `FROM ${from}`))
    },
    async verify(acks?: ReadonlyMap<string, Acks>, read = log) {
      const options = { lake, layout, log: read, key: await rangesKey(store, random), now_ms: clock.now() }
      return verify({ ...options, local, scratch_folder: folder, ...(acks ? { acks } : {}) })
    },
    async close() {
      await duckdb[Symbol.asyncDispose]()
      await encoder.close()
      await log.close()
    },
  }
}

export type System = Awaited<ReturnType<typeof openSystem>>
