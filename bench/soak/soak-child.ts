/** The process whose memory `soak` watches: ingest without sockets, and the generator of what it is given. */
import { join } from 'node:path'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { codecOf } from '../../contract/batch.ts'
import { sleep } from '../../contract/clock.ts'
import { openGateway } from '../../ingest/gateway.ts'
import { openPace } from '../../ingest/pace.ts'
import { openSqliteLog } from '../../ingest/sqlite-log.ts'
import { openWriting, type Writing } from '../../ingest/writing.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { createLake } from '../../lake/lake.ts'
import { batches, WORKLOAD_L, type WorkloadBatch } from '../workload.ts'
import { LAYOUT } from '../writer/measured.ts'
import { type Sent, soakTask } from './measured.ts'

const DAY_MS = 86_400_000
const SAMPLE_MS = 1_000
const LOOK_MS = 100
/** Batches that are given at once. */
const AT_ONCE = 50

const task = soakTask.parse(JSON.parse(process.argv[2] ?? ''))
const store = openFolderStore(join(task.folder, 'lake'))
const lake = await createLake({ store, clock, random, fleet: 'bench', region: 'local', buckets: LAYOUT.buckets })
const log = await openSqliteLog(join(task.folder, 'log.db'), { buckets: LAYOUT.buckets, clock, random })
let committed = 0
const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
const look = () => print({ rss_bytes: process.memoryUsage.rss(), committed })

const over = new AbortController()
const looking = (async () => {
  for (; !over.signal.aborted; await sleep(clock, SAMPLE_MS, over.signal).catch(() => undefined)) look()
})()
const begun_ms = clock.monotonic()
const writing = task.phase === 'fill' ? undefined : await openWriter()
const ended = writing?.run(over.signal)
const facts = task.phase === 'catch-up' ? undefined : await send()
if (writing) await written(writing)
const ms = clock.monotonic() - begun_ms
over.abort()
await Promise.all([looking, ended])
look()
await writing?.close()
await log.close()
print({ ...(facts ?? nothing()), ms })

function openWriter(): Promise<Writing> {
  return openWriting({
    ...{ lake, log, layout: LAYOUT, clock, random },
    note(fact) {
      if (fact.kind === 'committed') committed += fact.rows - fact.batches
      else if (fact.kind === 'loss' || fact.kind === 'retry') throw new Error(JSON.stringify(fact))
    },
  })
}

/** Through the gateway, as fast as it takes them; no hub is slowed. */
async function send(): Promise<Sent> {
  const pace = openPace(clock, { events_per_second: 1e9, burst: 1e9 })
  const gateway = openGateway({ log, layout: LAYOUT, clock, pace })
  const age_ms = (source: number) => (source % task.dates) * DAY_MS
  const facts = nothing()
  let sum = 0n
  let some: Promise<unknown>[] = []
  for (const batch of batches(WORKLOAD_L, { seed: task.seed, wall_ms: clock.now(), age_ms })) {
    if (facts.events >= task.events) break
    some.push(gateway.receive({ source: batch.hub, role: 'hub', generation: 1 }, batch.bytes, 'mqtt'))
    sum += count(facts, batch)
    if (some.length < AT_ONCE) continue
    await Promise.all(some)
    some = []
  }
  await Promise.all(some)
  await gateway.close()
  return { ...facts, checksum: `${facts.events - facts.malformed} ${sum}` }
}

function nothing() {
  const counts = { batches: 0, events: 0, malformed: 0, plain_bytes: 0, zstd_plain_bytes: 0, zstd_bytes: 0 }
  return { ...counts, checksum: '', ms: 0 }
}

/** The checksum of what it adds. */
function count(facts: ReturnType<typeof nothing>, batch: WorkloadBatch): bigint {
  facts.batches++
  if (codecOf(batch.bytes) === 'zstd') {
    facts.zstd_plain_bytes += batch.plain_bytes
    facts.zstd_bytes += batch.bytes.length
  }
  if (batch.resent) return 0n
  facts.events += batch.count
  facts.malformed += batch.malformed
  facts.plain_bytes += batch.plain_bytes
  return batch.checksum
}

/** Resolves when the table has all that the log got. */
async function written({ writer }: Writing): Promise<void> {
  for (const { bucket } of writer.buckets()) {
    const { next } = await log.bounds(bucket)
    while ((writer.buckets().find((one) => one.bucket === bucket)?.position ?? 0) + 1 < next)
      await sleep(clock, LOOK_MS)
  }
}
