/** The figures of a gateway and a writer, read as Prometheus reads them, after batches went all the way to the table. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import type { Identity } from '../contract/source.ts'
import { openGateway } from '../ingest/gateway.ts'
import { batchOf, packed, reading } from '../ingest/testing/batch.ts'
import { openSystem, type System } from '../ingest/testing/system.ts'
import { ingestFigures } from './ingest-figures.ts'
import { machineClock } from './machine.ts'
import { logFigures, storeFigures } from './store-figures.ts'

const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
const bucket = bucketOf('demo-01', 4)

let folder: string
let system: System
let metrics: Registry
let send: (batch: Buffer) => Promise<void>
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-figures-'))
  system = await openSystem(folder)
  metrics = new Registry()
  const log = logFigures(metrics, machineClock)(system.log)
  const store = storeFigures(metrics, machineClock)(system.store)
  const gateway = openGateway({ log, layout: { epoch: 1, buckets: 4 }, clock: machineClock })
  const figures = ingestFigures(metrics, machineClock, {
    ...{ log: system.log, store, sessions: () => 0 },
    ...{ gateway: () => gateway, writer: () => system.writer },
  })
  send = async (batch) => {
    await gateway.receive(hub, batch, 'https')
    figures.answered('https', 1)
  }
  const { facts } = system
  const push = facts.push.bind(facts)
  facts.push = (...some) => {
    for (const fact of some) figures.wrote(fact)
    return push(...some)
  }
})
afterEach(async () => {
  await system.close()
  await rm(folder, { recursive: true })
})

/** Of each series its value. */
async function scraped(): Promise<Map<string, number>> {
  const lines = (await metrics.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

test('follow a batch from its receipt to its commit', async () => {
  const batch = batchOf([reading(1, 10), reading(2, 11), '{"m":3}'])
  await send(packed(batch))
  const received = await scraped()
  expect(received.get('hearth_ingest_received_batches_total')).toBe(1)
  expect(received.get('hearth_ingest_received_bytes_total')).toBe(packed(batch).length)
  expect(received.get('hearth_ingest_plain_bytes_total')).toBe(batch.length)
  expect(received.get('hearth_ingest_durable_batches_total')).toBe(1)
  expect(received.get('hearth_ingest_ack_seconds_count{listener="https"}')).toBe(1)
  expect(received.get('hearth_log_appends_total{outcome="durable"}')).toBe(1)
  expect(received.get('hearth_log_append_seconds_count')).toBe(1)
  expect(received.get(`hearth_writer_lag_batches{bucket="${bucket}"}`)).toBe(1)

  await system.writer.commitOnce()
  await send(packed(batch))
  await system.writer.commitOnce()
  const committed = await scraped()
  const { files, version } = await system.table.snapshot()
  const bytes = [...files.values()].reduce((sum, { size }) => sum + size, 0)
  for (const [name, value] of Object.entries({
    hearth_writer_batches_total: 2,
    hearth_writer_commits_total: 2,
    hearth_writer_commit_attempts_total: 2,
    hearth_writer_dead_events_total: 1,
    hearth_writer_duplicate_events_total: 3,
    hearth_writer_rebased_versions_total: 0,
    // Three events, and a row for each batch.
    hearth_writer_rows_total: 5,
    hearth_writer_bytes_total: bytes,
    hearth_writer_file_bytes_count: files.size,
    hearth_writer_file_bytes_sum: bytes,
    hearth_writer_commit_files_count: 2,
    hearth_writer_freshness_seconds_count: 2,
    'hearth_lake_version{table="events"}': version,
    'hearth_lake_live_files{table="events"}': files.size,
    'hearth_lake_live_bytes{table="events"}': bytes,
    'hearth_lake_small_files{table="events"}': files.size,
    'hearth_lake_kept_versions{table="events"}': version,
    'hearth_lake_checkpoint_behind_versions{table="events"}': version,
    // The scrape before looked for a checkpoint.
    'hearth_store_operations_total{operation="get",outcome="missing"}': 1,
    [`hearth_writer_lag_batches{bucket="${bucket}"}`]: 0,
    [`hearth_writer_lag_seconds{bucket="${bucket}"}`]: 0,
    [`hearth_writer_ranges_streams{bucket="${bucket}"}`]: 1,
  })) {
    expect(committed.get(name), name).toBe(value)
  }
})

test('tell what was refused, and what is of one partition', async () => {
  await send(Buffer.from('no batch'))
  const figures = await scraped()
  expect(figures.get('hearth_ingest_refused_batches_total')).toBe(1)
  expect(figures.get('hearth_ingest_durable_batches_total')).toBe(1)
  expect(figures.get('hearth_ingest_received_events_total')).toBe(0)
  await system.writer.commitOnce()
  const committed = await scraped()
  expect(committed.get('hearth_writer_dead_events_total')).toBe(1)
  expect(committed.get('hearth_lake_partition_small_files{table="events"}')).toBe(1)
})

test('count what the writer tried again by its cause, and losses, from zero on', async () => {
  const before = await scraped()
  expect(before.get('hearth_writer_retries_total{cause="conflict"}')).toBe(0)
  expect(before.get('hearth_writer_losses_total')).toBe(0)
  system.facts.push({ kind: 'retry', cause: 'unavailable', reason: 'the store does not answer', delay_ms: 200 })
  system.facts.push({ kind: 'fenced', buckets: [1, 2] })
  const after = await scraped()
  expect(after.get('hearth_writer_retries_total{cause="unavailable"}')).toBe(1)
  expect(after.get('hearth_writer_fenced_total')).toBe(1)
})
