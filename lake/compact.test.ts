import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { uuid } from '../contract/clock.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { removeOf } from './action.ts'
import { type CompactOptions, compact } from './compact.ts'
import { JOINED_TAG } from './compaction-plan.ts'
import { type DuckDb, openDuckDb, rowsOf } from './duckdb.ts'
import { openFileJoiner } from './file-joiner.ts'
import { openFolderStore } from './folder-store.ts'
import { openLake } from './lake.ts'
import type { ObjectStore } from './object-store.ts'
import { scanSql } from './scan.ts'
import type { Table } from './table.ts'
import { openHookedStore } from './testing/hooked-store.ts'
import { createSample, SAMPLE_COLUMNS } from './testing/sample.ts'
import { writeFile } from './write.ts'

const HOUR_MS = 3_600_000
const random = seededRandom(3)
let clock: ManualClock
let folder: string
let store: ObjectStore
let table: Table
let duckdb: DuckDb

beforeEach(async () => {
  clock = new ManualClock()
  folder = await mkdtemp(join(tmpdir(), 'hearth-compact-'))
  store = openFolderStore(join(folder, 'lake'))
  table = await createSample(store, clock)
  duckdb = await openDuckDb({ threads: 1 })
})

afterEach(async () => {
  await duckdb[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const optionsOn = (more: Partial<CompactOptions> = {}): CompactOptions => {
  const common = { store, table, clock, random, ...more }
  const openJoiner = () => openFileJoiner({ ...common, scratch_folder: join(folder, 'scratch') })
  return { openJoiner, closed_after_ms: 3 * HOUR_MS, join_after_ms: 0, ...common }
}

/** Appends a file of `rows` rows, whose numbers follow on `from`. */
async function append(from: number, rows: number, day = '2026-11-24', bucket = 1) {
  const base = await table.snapshot()
  const { rows: _, ...written } = await writeFile({
    ...{ connection: duckdb.connection, store, prefix: table.prefix, columns: SAMPLE_COLUMNS, sort: [] },
    select: `SELECT 'hub-' || i % 3 AS hub_id, CASE WHEN i % 4 > 0 THEN i END AS value FROM range(${from}, ${from + rows}) r(i)`,
    partitionValues: { day, bucket: String(bucket) },
    ...{ random, clock, scratch_folder: join(folder, 'scratch') },
  })
  const outcome = await table.commit({
    ...{ id: uuid(random), kind: 'ingest', base, adds: [written], removes: [], txns: [], info: {} },
  })
  expect(outcome.kind).toBe('committed')
  return written
}

async function rows(version?: number) {
  const snapshot = await table.snapshot(version === undefined ? {} : { version })
  const files = [...snapshot.files.values()].map((add) => ({
    add,
    path: store.localPath?.(`sample/${add.path}`) ?? '',
  }))
  return await rowsOf(duckdb.connection, `SELECT * FROM (${scanSql(snapshot, files)}) ORDER BY ALL`)
}

describe('compaction', () => {
  test('joins the files of each partition, with their rows and no others, and changes no data', async () => {
    for (let i = 0; i < 5; i++) await append(i * 10, 10, '2026-11-24', i % 2)
    await append(100, 10, '2026-11-23', 1)
    const [before, version] = [await rows(), (await table.snapshot()).version]
    expect(await compact(optionsOn({ join_after_ms: HOUR_MS }))).toMatchObject({ joined: 0 })
    await clock.advance(HOUR_MS)
    expect(await compact(optionsOn({ join_after_ms: HOUR_MS }))).toMatchObject({ joined: 5, lost: 0 })
    const after = await table.snapshot()
    expect(after.files.size).toBe(3)
    expect(await rows()).toEqual(before)
    expect(await rows(version)).toEqual(before)
    for await (const { info, adds, removes } of table.history(version + 1)) {
      expect(info?.kind).toBe('compact')
      expect([...adds, ...removes].map(({ dataChange }) => dataChange)).not.toContain(true)
    }
    const statistics = [...after.files.values()].map(({ stats }) => JSON.parse(stats ?? '').numRecords)
    expect(statistics.toSorted((a, b) => a - b)).toEqual([10, 20, 30])
    expect(await compact(optionsOn())).toMatchObject({ groups: [], joined: 0 })
  })

  test('of a closed day leaves one file, which it knows again', async () => {
    for (let i = 0; i < 3; i++) await append(i * 10, 10, '2026-11-20')
    await compact(optionsOn())
    const [file, more] = [...(await table.snapshot()).files.values()]
    expect(file?.tags).toEqual({ [JOINED_TAG]: 'day' })
    expect(more).toBeUndefined()
  })

  test('says in a dry run what it would do, and does nothing', async () => {
    for (let i = 0; i < 3; i++) await append(i * 10, 10, '2026-11-20')
    const { version } = await table.snapshot()
    const told = await compact(optionsOn({ dry_run: true }))
    expect(told.groups).toMatchObject([{ why: 'the day is closed' }])
    expect((await table.snapshot()).version).toBe(version)
  })

  test('neither brings back nor loses rows when one of its files is removed meanwhile', async () => {
    const [first] = [await append(0, 10, '2026-11-20'), await append(10, 10, '2026-11-20')]
    const rival = await (await openLake({ store, clock, random })).table('sample')
    let struck = false
    const hooked = openHookedStore(store, {
      async before(operation, path) {
        if (operation !== 'put' || !path.endsWith('.parquet') || struck) return
        struck = true
        const base = await rival.snapshot()
        await rival.commit({
          ...{ id: 'erase', kind: 'replace', base, adds: [], removes: [removeOf(first)], txns: [], info: {} },
        })
      },
    })
    const localPath = store.localPath?.bind(store)
    const through = { ...hooked, ...(localPath && { localPath }) }
    expect(await compact(optionsOn({ store: through }))).toMatchObject({ joined: 0, lost: 1 })
    expect(await rows()).toHaveLength(10)
    expect(await compact(optionsOn())).toMatchObject({ groups: [] })
    const paths = (await Array.fromAsync(store.list('sample/day=2026-11-20'))).map(({ path }) => path)
    // What it had uploaded is not left for vacuum.
    expect(paths).toHaveLength(2)
  })

  test('goes on over rows that came meanwhile', async () => {
    await append(0, 10, '2026-11-20')
    await append(10, 10, '2026-11-20')
    let struck = false
    const hooked = openHookedStore(store, {
      async before(operation, path) {
        if (operation !== 'put' || !path.endsWith('.parquet') || struck) return
        struck = true
        await append(20, 10, '2026-11-20')
      },
    })
    // A store without local files, too: what is joined is fetched.
    expect(await compact(optionsOn({ store: hooked }))).toMatchObject({ joined: 2, lost: 0 })
    expect(await rows()).toHaveLength(30)
    expect((await table.snapshot()).files.size).toBe(2)
  })

  test('names a file that is damaged, and joins the files of the other partitions all the same', async () => {
    const damaged = await append(0, 10, '2026-11-20')
    for (const day of ['2026-11-20', '2026-11-21']) for (const from of [10, 20]) await append(from, 10, day)
    const path = store.localPath?.(`sample/${damaged.path}`) ?? ''
    const bytes = readFileSync(path)
    writeFileSync(path, bytes.fill(0x55, 4, bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8)))
    await expect(compact(optionsOn())).rejects.toMatchObject({
      kind: 'corrupt',
      message: expect.stringMatching(`^the data file sample/${damaged.path} cannot be read: damaged .*restore it`),
    })
    const days = [...(await table.snapshot()).files.values()].map(({ partitionValues }) =>
      String(partitionValues['day']),
    )
    expect(days.filter((day) => day === '2026-11-20')).toHaveLength(3)
    expect(days.filter((day) => day === '2026-11-21')).toHaveLength(1)
  })

  test('commits nothing when the joined file does not hold what its files held', async () => {
    const first = await append(0, 10, '2026-11-20')
    await append(10, 10, '2026-11-20')
    const other = await append(500, 10, '2026-11-19')
    const { version } = await table.snapshot()
    const path = (object: string) => join(folder, 'lake/sample', object)
    // A name is drawn between the counting of the rows and their writing: then one of the files becomes another.
    const bytes = (count: number) => (copyFileSync(path(other.path), path(first.path)), random.bytes(count))
    const swapping = { ...random, bytes }
    await expect(compact(optionsOn({ random: swapping }))).rejects.toMatchObject({
      kind: 'corrupt',
      message: expect.stringContaining('made 20 rows'),
    })
    expect((await table.snapshot()).version).toBe(version)
  })
})
