/** Each metric by DuckDB and by Spark's SQL shell: equal rows, and equal hashes in the ledger. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { bucketIndexSql, bucketValueSql } from '../../contract/histogram.ts'
import { sparkSqlCommand } from '../../infra/pyspark/spark-sql.ts'
import { type S3Server, startS3 } from '../../infra/s3/server.ts'
import { openDuckDb, rowsOf } from '../../lake/duckdb.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { openLocalFiles } from '../../lake/local-files.ts'
import type { ObjectStore } from '../../lake/object-store.ts'
import { openS3Store } from '../../lake/s3-store.ts'
import { catalogue, extended } from '../catalogue.ts'
import { checkMetric } from '../check-metric.ts'
import { HOUR_MS } from '../limits.ts'
import { parseMetric } from '../metric.ts'
import { command, openHistory } from '../testing/history.ts'
import { LAMP_SELECT, lampHours } from '../testing/lamp-hours.ts'
import { expectEqual, STORY_BEGINS_MS as T0, told } from '../testing/spark-story.ts'
import { STORY_HOURS, tellStory } from '../testing/story.ts'
import { openSparkEngine, type SparkEngine } from './engine.ts'
import { openExchange } from './exchange.ts'
import { openSparkShell } from './shell.ts'

let scratch_folder: string
let s3: S3Server
let words: string
let spark: SparkEngine

beforeAll(async () => {
  scratch_folder = await mkdtemp(join(tmpdir(), 'hearth-spark-'))
  s3 = await startS3()
  Object.assign(process.env, s3.environment)
  words = await sparkSqlCommand(s3)
  spark = engine(words)
})

afterAll(async () => {
  await spark?.[Symbol.asyncDispose]()
  await s3?.[Symbol.asyncDispose]()
  await rm(scratch_folder, { recursive: true, force: true })
})

const engine = (words: string, from_bytes = 0) =>
  openSparkEngine({ command: words, metrics: undefined, from_bytes, clock, random, scratch_folder })

test('over files, every metric has the rows and the ledger that DuckDB makes', async () => {
  await using ours = await told(STORY_HOURS, {})
  await using theirs = await told(STORY_HOURS, { engine: spark.engine })
  await expectEqual(
    ours,
    theirs,
    catalogue().map(({ name }) => name),
  )
  expect(await readdir(join(new URL(theirs.lake.store.url).pathname, '_hearth/spark'))).toEqual([])
}, 900_000)

test('over S3, what is carried from hour to hour too', async () => {
  const some = ['hubs', 'command_traces', 'sessions', 'latency_hours']
  const { endpoint, region, bucket } = s3
  const store = openS3Store({ bucket, prefix: 'fleet', endpoint, region, path_style: true, clock, random })
  await using ours = await told(3, {}, some)
  await using theirs = await told(3, { store, engine: spark.engine }, some)
  await expectEqual(ours, theirs, some)
  expect(await Array.fromAsync(store.list('_hearth/spark/'))).toEqual([])
}, 900_000)

test('a bucket of durations has the same value in both', async () => {
  const store = openFolderStore(join(scratch_folder, 'lake'))
  // Up to 100 days, of a thousandth of a ms.
  const select = (series: string) =>
    `SELECT i, ${bucketValueSql('i')} AS ms, ${bucketIndexSql(bucketValueSql('i'))} AS back FROM (SELECT CAST(n AS INT) AS i FROM (SELECT ${series} AS n) told) whole`
  await using duck = await openDuckDb()
  const ours = await rowsOf(duck.connection, `${select('unnest(range(-345, 1151))')} ORDER BY i`)
  expect(await rowsIn(store, select('explode(sequence(-345, 1150))'))).toEqual(ours)
})

/** What Spark makes of a SELECT, as DuckDB reads it. */
async function rowsIn(store: ObjectStore, select: string) {
  await using shell = await openSparkShell({ command: words, folder: join(scratch_folder, 'shell'), clock })
  await using local = await openLocalFiles(store, { cache: undefined, clock })
  await using exchange = openExchange(store, local, { random, scratch_folder })
  await shell.run([`INSERT OVERWRITE DIRECTORY '${exchange.uri('made')}' USING parquet ${select}`])
  await using taken = await exchange.take('made', undefined)
  await using duck = await openDuckDb()
  return await rowsOf(duck.connection, `SELECT * FROM read_parquet(['${taken.paths.join("', '")}']) ORDER BY i`)
}

test('a metric of one’s own is tried out on it, and one that it makes otherwise is found out', async () => {
  await using history = await openHistory(T0 + 2 * HOUR_MS)
  await history.add(command('demo-01', 'c1', T0 + 60_000, [['issued', 0]]))
  const spark_check = async (select?: string) => {
    const metric = parseMetric('lamp_hours.sql', lampHours(select))
    const options = { lake: history.lake, clock: history.clock, random, scratch_folder, spark: spark.engine }
    const found = await checkMetric(metric, { ...options, metrics: extended([metric]) })
    return found.find(({ name }) => name === 'Spark makes the same')
  }
  expect(await spark_check()).toEqual({ name: 'Spark makes the same', holds: true })
  const onlyHere = LAMP_SELECT.replace('COUNT(*)', 'CAST(epoch_ms(MAX(event_time)) AS BIGINT)')
  expect((await spark_check(onlyHere))?.problem).toMatch(/epoch_ms/)
})

test('a statement that fails is told in the words of Spark, and the next one goes on', async () => {
  await using shell = await openSparkShell({ command: words, folder: join(scratch_folder, 'shell'), clock })
  await expect(shell.run(['SELECT 1', 'SELECT nosuch', 'SELECT 2'])).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringMatching(/^Spark could not run a statement: \[UNRESOLVED_COLUMN.*`nosuch`/),
  })
  await shell.run(['SELECT 3'])
  const over = new AbortController()
  const waits = shell.run(['SELECT COUNT(*) FROM range(1000000000000) WHERE sqrt(id) = 0.5'], over.signal)
  over.abort(new Error('enough'))
  await expect(waits).rejects.toThrow('enough')
  await expect(shell.run(['SELECT 4'])).rejects.toMatchObject({ kind: 'unavailable' })
  expect(shell.alive).toBe(false)
})

test('a file that is gone is not left out', async () => {
  await using history = await told(1, { engine: spark.engine }, ['hubs'])
  const events = await (await history.lake.table('events')).snapshot()
  const [path = ''] = events.files.keys()
  await history.add(tellStory(2, T0).filter(({ kind }) => kind === 'registry'))
  await history.lake.store.delete(`events/${path}`)
  await expect(history.jobs.run()).rejects.toThrow(/files of events have other rows than the \d+ that the log says/)
})

test('a day that is small is left to DuckDB, and a command that is none is told', async () => {
  const none = engine('no-such-command', 1e9)
  await using history = await told(1, { engine: none.engine }, ['hubs'])
  expect(await history.rows('hubs')).not.toEqual([])
  const absent = told(1, { engine: engine('no-such-command').engine }, ['hubs'])
  await expect(absent).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringContaining('not found') })
})
