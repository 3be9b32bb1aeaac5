import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import type { Identity } from '../contract/source.ts'
import { openDuckDb, rowsOf } from '../lake/duckdb.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import { createLake } from '../lake/lake.ts'
import { openDuckDbEncoder } from './duckdb-encoder.ts'
import { openGateway } from './gateway.ts'
import { openSqliteLog } from './sqlite-log.ts'
import { batchOf, packed, reading } from './testing/batch.ts'
import { type Loss, openWriter, type WriterFact } from './writer.ts'

const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
const clock = machineClock
const random = machineRandom

async function openSystem(folder: string) {
  const store = openFolderStore(join(folder, 'lake'))
  const lake = await createLake({ store, clock, random, fleet: 'demo', region: 'local', buckets: 4 })
  const layout = { epoch: 1, buckets: 4 }
  const table = await lake.table('events')
  const log = await openSqliteLog(join(folder, 'log.db'), { buckets: 4, clock, random })
  const encoder = await openDuckDbEncoder({
    ...{ store, logId: () => log.id, buckets: 4, clock, random, scratch_folder: join(folder, 'spool') },
  })
  const facts: WriterFact[] = []
  const losses: Loss[] = []
  const openOne = () =>
    openWriter({
      ...{ log, table, store, layout, encoder, clock, random },
      recordLoss: async (loss) => void losses.push(loss),
      note: (fact) => facts.push(fact),
    })
  const gateway = openGateway({ log, layout, clock })
  const duckdb = await openDuckDb({ threads: 1 })
  return {
    ...{ store, table, log, gateway, facts, losses, openOne, writer: await openOne() },
    async rows(sql: string) {
      const snapshot = await table.snapshot()
      const paths = [...snapshot.files.keys()].map((path) => `'${join(folder, 'lake', 'events', path)}'`)
      if (paths.length === 0) return []
      const from = `read_parquet([${paths.join(', ')}], union_by_name = true, hive_partitioning = true)`
      return rowsOf(duckdb.connection, sql.replaceAll('FROM events', `FROM ${from}`))
    },
    async close() {
      await duckdb[Symbol.asyncDispose]()
      await encoder.close()
      await log.close()
    },
  }
}

describe('the writer', () => {
  let folder: string
  let system: Awaited<ReturnType<typeof openSystem>>
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hearth-writer-'))
    system = await openSystem(folder)
  })
  afterEach(async () => {
    await system.close()
    await rm(folder, { recursive: true })
  })

  test('puts an acknowledged batch into the table, with a row that tells of the batch', async () => {
    const bytes = packed(batchOf([reading(59_000, 21.5), reading(59_500, true, { colour: 'red' })]))
    expect(await system.gateway.receive(hub, bytes, 'https')).toEqual({ kind: 'durable' })
    expect(await system.writer.commitOnce()).toBe(true)
    expect(await system.writer.commitOnce()).toBe(false)
    const rows = await system.rows(
      `SELECT kind, seq, value, unit, hub_id, extra, epoch_ms(received_time) - epoch_ms(event_time) AS age, time_source FROM events ORDER BY kind DESC, seq`,
    )
    expect(rows).toMatchObject([
      { kind: 'reading', seq: '0', value: 21.5, unit: 'W', hub_id: 'demo-01', age: '1000', time_source: 'monotonic' },
      { kind: 'reading', seq: '1', value: 1, age: '500', extra: [{ key: 'colour', value: 'red' }] },
      { kind: 'batch', seq: null, hub_id: 'demo-01' },
    ])
  })
})
