/** Success is a commit: of several runs one counts, of several definitions the higher one, of a failed check none. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Lake } from '../lake/lake.ts'
import { openLake } from '../lake/lake.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { seededRandom } from '../sim/clock.ts'
import { catalogue } from './catalogue.ts'
import { type Jobs, openJobs } from './jobs.ts'
import { HOUR_MS } from './limits.ts'
import { type Metric, parseMetric } from './metric.ts'
import {
  command,
  connected,
  connection,
  enrolled,
  type History,
  health,
  METRIC_NAMES,
  openHistory,
  sameAsAnew,
} from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20, 22)

async function hours(): Promise<History> {
  const history = await openHistory(T0 + 2 * HOUR_MS + 5 * 60_000)
  await history.add(
    ['demo-01', 'demo-02'].flatMap((hub) => [
      enrolled(hub, T0),
      ...connected(hub, T0, T0 + 2 * HOUR_MS),
      health(hub, T0 + 60_000),
      ...command(hub, `${hub}-c`, T0 + 60_000, [
        ['issued', 0],
        ['sent', 1],
        ['acked', 5],
        ['done', 5],
      ]),
    ]),
  )
  return history
}

/** Jobs of another process on the same lake, with a view of the table of its own. */
async function another(
  { lake, clock }: History,
  options: { readonly metrics?: readonly Metric[]; readonly store?: ObjectStore } = {},
): Promise<{ readonly jobs: Jobs; readonly lake: Lake }> {
  const environment = { store: options.store ?? lake.store, clock, random: seededRandom(99) }
  const opened = await openLake(environment)
  const scratch_folder = lake.store.localPath?.('scratch') ?? ''
  const metrics = options.metrics ?? catalogue()
  return { lake: opened, jobs: await openJobs({ ...environment, lake: opened, scratch_folder, metrics }) }
}

/** The catalogue with one definition made otherwise. */
function withMetric(name: string, change: (text: string) => string): readonly Metric[] {
  const text = readFileSync(new URL(`./metrics/${name}.sql`, import.meta.url), 'utf8')
  return catalogue().map((metric) => (metric.name === name ? parseMetric(name, change(text)) : metric))
}

const raised = (name: string, more: (text: string) => string = (text) => text) =>
  withMetric(name, (text) => more(text.replace(/-- revision: (\d+)/, (_, was) => `-- revision: ${Number(was) + 1}`)))

/** How often each unit's cell was committed, of all metrics: by metric and cell. */
async function commits({ lake }: History): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>()
  for (const metric of METRIC_NAMES) {
    for await (const { adds } of (await lake.table(metric)).history(1)) {
      for (const { tags } of adds) {
        const key = `${metric} ${tags?.['unit']}`
        found.set(key, (found.get(key) ?? 0) + 1)
      }
    }
  }
  return found
}

test('a run that is started twice at once is committed once', async () => {
  await using history = await hours()
  const { jobs } = await another(history)
  await using _ = jobs
  const runs = await Promise.all([history.jobs.run(), jobs.run()])
  expect(new Set((await commits(history)).values())).toEqual(new Set([1]))
  const units = runs.flat().reduce((sum, run) => sum + run.units.length, 0)
  await using anew = await history.anew()
  expect((await anew.rows('job_runs')).reduce((sum, row) => sum + Number(row['units']), 0)).toBe(units)
  for (const metric of METRIC_NAMES) expect(await history.rows(metric), metric).toEqual(await anew.rows(metric))
})

test('a run that slept before its commit loses to one that was made from newer input', async () => {
  await using history = await hours()
  await history.jobs.run()
  await history.add([connection('demo-01', 'disconnected', T0 + HOUR_MS, '1.1.1', { planned: 'false' })])
  // It has planned and calculated; then, as it commits, newer input comes and another makes the same units from it.
  const { store } = history.lake
  let slept = false
  const sleepy: ObjectStore = {
    ...store,
    async put(path, body, options) {
      if (!slept && path.startsWith('sessions/_delta_log/')) {
        slept = true
        await history.add([connection('demo-01', 'connected', T0 + HOUR_MS + 60_000, '1.1.2')])
        await history.jobs.run()
      }
      await store.put(path, body, options)
    },
  }
  const { jobs } = await another(history, { store: sleepy })
  await using _ = jobs
  await jobs.run()
  expect(slept).toBe(true)
  const ends = await history.rows('sessions', 'ended')
  expect(ends.map((row) => [row['hub_id'], row['reconnect_ms']])).toEqual([['demo-01', 60_000]])
  await sameAsAnew(history)
})

test('an older definition leaves alone what a higher revision has made, its new columns too', async () => {
  await using history = await hours()
  const taps = (hour: number) =>
    command('demo-01', `hour ${hour}`, T0 + hour * HOUR_MS + 60_000, [
      ['issued', 0],
      ['sent', 2],
      ['acked', 7],
      ['done', 7],
    ])
  await history.add(taps(2))
  await history.clock.advance(HOUR_MS)
  await history.jobs.run()
  const wider = raised('latency_hours', (text) =>
    text
      .replace('-- check: counted', '-- column: half_ms double ms — half of the sum\n-- check: counted')
      .replace('MIN(ms) AS min_ms', 'SUM(ms) / 2 AS half_ms, MIN(ms) AS min_ms'),
  )
  const { jobs } = await another(history, { metrics: wider })
  await using _ = jobs
  const causes = new Set((await jobs.plan()).map(({ metric, cause }) => `${metric} ${cause}`))
  expect(causes).toEqual(new Set(['latency_hours definition rose']))
  await jobs.run()
  // The next hour of the same day, of which the older one is the first to hear.
  await history.clock.advance(HOUR_MS)
  await history.add(taps(4))
  await history.jobs.run()
  await jobs.run()
  const rows = await history.rows('latency_hours')
  expect(new Set(rows.map((row) => (new Date(String(row['hour'])).getTime() - T0) / HOUR_MS))).toEqual(
    new Set([0, 2, 4]),
  )
  expect(rows.map((row) => row['half_ms'])).toEqual(rows.map((row) => Number(row['sum_ms']) / 2))
  await history.jobs.run()
  expect(await history.rows('latency_hours')).toEqual(rows)
})

test('a failed check commits nothing of its metric and says which rows', async () => {
  await using history = await hours()
  const strict = withMetric('hub_hours', (text) =>
    text.replace('-- check: ', `-- check: nobody-by-that-name — hub_id <> 'demo-02'\n-- check: `),
  )
  const { jobs } = await another(history, { metrics: strict })
  await using _ = jobs
  await expect(jobs.run()).rejects.toMatchObject({
    kind: 'corrupt',
    message: expect.stringMatching(/^hub_hours failed its check "nobody-by-that-name".*"hub_id":"demo-02"/),
  })
  const versions = async (metric: string) => (await (await history.lake.table(metric)).snapshot()).version
  expect(await versions('hub_hours')).toBe(0)
  expect(await history.rows('hub_hours')).toEqual([])
  expect(await versions('sessions')).toBe(1)
  const [failed] = await history.rows('job_runs', `outcome = 'failed'`)
  const due = (await jobs.plan()).filter(({ metric }) => metric === 'hub_hours')
  expect(failed).toMatchObject({ metric: 'hub_hours', units: String(due.length), cause: 'never computed', rows: '0' })
  const at = (name: string) => Date.parse(`${String(failed?.[name])}Z`)
  expect([at('first_hour'), at('last_hour')]).toEqual([due[0]?.hour_ms, due.at(-1)?.hour_ms])
  expect(failed?.['reason']).toMatch(/nobody-by-that-name/)
})

test('a key that stands twice fails, whatever the checks of a metric', async () => {
  await using history = await hours()
  const doubled = withMetric('latency_hours', (text) =>
    text.replace('-- keys: hop, firmware, relay, log_bucket', '-- keys: firmware, relay'),
  )
  const { jobs } = await another(history, { metrics: doubled })
  await using _ = jobs
  await expect(jobs.run()).rejects.toThrow(/^latency_hours failed its check "unique", so nothing of it was committed/)
  expect(await history.rows('latency_hours')).toEqual([])
})
