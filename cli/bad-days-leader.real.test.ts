/** A partition of Kafka without a leader: its bucket waits for it, and the other buckets of the same writer do not. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startKafka } from '../infra/kafka/kafka.ts'
import { untilReady, untilUnready, untilWritten } from './testing/bad-day.ts'
import { startLoad } from './testing/load-process.ts'
import { openSystem, until } from './testing/system.ts'

const LIMIT_MS = 120_000
const TOPIC = 'leaders'

test('a broker that alone has some of the partitions dies: the others are written meanwhile, and nothing is lost', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-bad-day-'))
  await using kafka = await startKafka({ brokers: 3 })
  await using system = await openSystem({
    ...{ HEARTH_KAFKA_BROKERS: kafka.bootstrap, HEARTH_KAFKA_TOPIC: TOPIC, HEARTH_KAFKA_REPLICATION: '1' },
    ...{ HEARTH_KAFKA_MIN_INSYNC: '1', HEARTH_LAYOUT_BUCKETS: '4', HEARTH_INGEST_FRESHNESS_MS: '300' },
    HEARTH_LOG: 'info',
  })
  for (const half of ['gateway', 'writer']) await system.start(['ingest', half]).untilSaid(/"event":"ready"/, LIMIT_MS)
  const load = await startLoad(system, { folder, hubs: 12, seed: 7 })
  try {
    const rows = async () => {
      const counts = await system.csv('select bucket, count(*) from events group by bucket')
      return new Map(counts.map(([bucket = '', count = '']) => [Number(bucket), Number(count)]))
    }
    await until('each bucket has rows', LIMIT_MS, async () => (await rows()).size === 4)
    const leaders = await Promise.all([0, 1, 2, 3].map((bucket) => kafka.admin.leader(TOPIC, bucket)))
    const dead = leaders[0] ?? 0
    await kafka.brokers[dead]?.kill()
    await untilUnready(system, 'writer', /bucket 0 is stopped: it cannot be reached, .*: Kafka: .* at 127/, LIMIT_MS)
    const before = await rows()
    const others = [1, 2, 3].filter((bucket) => leaders[bucket] !== dead)
    expect(others.length).toBeGreaterThan(0)
    await until('the other buckets go on', LIMIT_MS, async () => {
      const now = await rows()
      return others.every((bucket) => (now.get(bucket) ?? 0) > (before.get(bucket) ?? 0))
    })
    await kafka.brokers[dead]?.restart()
    await untilReady(system, 'writer', LIMIT_MS)
    const { events } = await load.end()
    const found = await untilWritten(system, load.journal, LIMIT_MS)
    expect(found).toMatchObject({ code: 0, ok: true, acknowledged: { journal: events, found: events } })
    expect(await system.must(['lake', 'tables'])).not.toContain('losses')
  } finally {
    load.kill()
    rmSync(folder, { recursive: true, force: true })
  }
})
