/** A lake with a history, damaged in each way that `hearth lake doctor` looks for. */
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Identity } from '../contract/source.ts'
import { deadLetters, replay } from '../ingest/dead-letters.ts'
import type { Loss } from '../ingest/loss.ts'
import { recordLoss } from '../ingest/losses.ts'
import { putRanges } from '../ingest/ranges-store.ts'
import { openSqliteLog } from '../ingest/sqlite-log.ts'
import { batchOf, packed, reading } from '../ingest/testing/batch.ts'
import { openSystem } from '../ingest/testing/system.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import { openLake } from '../lake/lake.ts'
import { checkpointPath, entryPath, hintPath, openLog } from '../lake/log.ts'
import { WRITTEN_PROTOCOL } from '../lake/protocol.ts'
import { ManualClock } from '../sim/clock.ts'
import type { Finding } from './doctor.ts'
import { examineLake, registerLakeDoctor } from './lake-doctor.ts'
import { parseConfig } from './load-config.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'

const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
const LAYOUT = { epoch: 1, buckets: 4 }
const COMMITS = 21
const DAY_MS = 86_400_000

let sound = ''
let home = ''
beforeAll(async () => {
  sound = mkdtempSync(join(tmpdir(), 'hearth-lake-sound-'))
  const system = await openSystem(sound)
  for (let i = 0; i < COMMITS; i++) {
    await system.gateway.receive(hub, packed(batchOf([reading(i, i)], { first: i })), 'https')
    await system.writer.commitOnce()
  }
  for (let bucket = 0; bucket < LAYOUT.buckets; bucket++) {
    await putRanges(system.store, LAYOUT, bucket, COMMITS, system.writer.ranges(bucket))
  }
  await system.close()
}, 60_000)
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hearth-lake-doctor-'))
  cpSync(sound, home, { recursive: true })
})
afterEach(() => rmSync(home, { recursive: true }))
afterAll(() => rmSync(sound, { recursive: true }))

const inLake = (path: string) => join(home, 'lake', path)
const examine = (options: { table?: string; all?: boolean } = {}) =>
  examineLake({ home, clock, random, config: parseConfig({}, 'test') }, { all: false, ...options })
const open = () => openLake({ store: openFolderStore(join(home, 'lake')), clock, random })

/** The findings that are not good. */
async function trouble(options: { table?: string; all?: boolean } = {}): Promise<readonly Finding[]> {
  return (await examine(options)).filter(({ state }) => state !== 'good')
}

/** One finding is as expected, and names the path; more may follow from the damage. */
async function expectFound(check: string, state: Finding['state'], path: string): Promise<void> {
  const findings = await trouble()
  expect(findings).toContainEqual(
    expect.objectContaining({ check, state, found: expect.stringContaining(path), advice: expect.any(String) }),
  )
}

function dataFile(): string {
  const [path] = readdirSync(inLake('events'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.parquet') && !name.includes('_delta_log'),
  )
  return `events/${path}`
}

test('a lake that is sound gives no trouble, whether a sample is read or all', async () => {
  expect(await trouble()).toEqual([])
  expect(await trouble({ all: true })).toEqual([])
  const findings = await examine({ table: 'events' })
  expect(findings.map(({ check }) => check)).not.toContain('ranges')
  expect(findings).toContainEqual(expect.objectContaining({ check: 'events: log', found: 'v0 to v21, none missing' }))
  await expect(examine({ table: 'event' })).rejects.toMatchObject({ kind: 'missing' })
})

test('the command tells of a sound table in one line, of a damaged one all, and exits with 1', async () => {
  const lines: string[] = []
  const context = { home, clock, random, config: parseConfig({}, 'test'), signal: new AbortController().signal }
  const run = async (...words: string[]) => {
    lines.length = 0
    const program = new Command()
    registerLakeDoctor(program, { ...context, print: (line) => lines.push(line), note: () => undefined })
    await program.parseAsync(['doctor', ...words], { from: 'user' })
    const { exitCode } = process
    process.exitCode = undefined
    return exitCode
  }
  expect(await run()).toBeUndefined()
  expect(lines.filter((line) => line.includes('events'))).toHaveLength(1)
  rmSync(inLake(dataFile()))
  expect(await run()).toBe(1)
  expect(lines.filter((line) => line.includes('events: '))).toHaveLength(9)
  expect(await run('--json')).toBe(1)
  expect(JSON.parse(lines.join('\n'))).toEqual(await examine())
})

test('an entry of the log that is gone', async () => {
  rmSync(inLake(entryPath('events', 7)))
  await expectFound('events: log', 'warning', 'missing v7 of v0 to v21')
  rmSync(inLake(checkpointPath('events', 20)))
  await expectFound('events: log', 'bad', 'missing v7 of v0 to v21')
})

test('an entry of the log that is damaged', async () => {
  writeFileSync(inLake(entryPath('events', 5)), '{"add":')
  await expectFound('events: log entries', 'bad', entryPath('events', 5))
})

test('the newest entry of the log that is damaged, with which no lake can be opened', async () => {
  writeFileSync(inLake(entryPath('events', 21)), 'not JSON\n')
  await expectFound('events: log entries', 'bad', entryPath('events', 21))
  expect(await trouble()).toContainEqual(expect.objectContaining({ check: 'lake', state: 'bad' }))
})

test('a checkpoint that is damaged', async () => {
  truncateSync(inLake(checkpointPath('events', 20)), 100)
  await expectFound('events: checkpoint', 'bad', checkpointPath('events', 20))
})

test('a hint of the checkpoint that is stale, or torn', async () => {
  writeFileSync(inLake(hintPath('events')), '{"version":10,"size":3}')
  await expectFound('events: _last_checkpoint', 'warning', 'names v10, the newest is v20')
  writeFileSync(inLake(hintPath('events')), '{"vers')
  await expectFound('events: _last_checkpoint', 'warning', 'cannot be read')
})

test('a data file that is gone, or cut', async () => {
  const path = dataFile()
  truncateSync(inLake(path), 50)
  await expectFound('events: data files', 'bad', `${path} has 50 bytes`)
  rmSync(inLake(path))
  await expectFound('events: data files', 'bad', `${path} is missing`)
})

test('a data file whose footer is damaged, its size being right', async () => {
  const path = dataFile()
  const bytes = readFileSync(inLake(path))
  bytes.fill(0xff, bytes.length - 200, bytes.length - 8)
  writeFileSync(inLake(path), bytes)
  await expectFound('events: Parquet', 'bad', path)
})

test('a file that no version needs, once it is old', async () => {
  const path = join(dataFile(), '..', 'part-0000.parquet')
  writeFileSync(inLake(path), 'left by a commit that failed')
  expect(await trouble()).toEqual([])
  const old = new Date(clock.now() - 9 * 86_400_000)
  utimesSync(inLake(path), old, old)
  await expectFound('events: left behind', 'warning', '1 of them (28 bytes) for more than 8 days')
})

test('a snapshot of ranges that is damaged', async () => {
  const path = `_hearth/ranges/1/2/${String(COMMITS).padStart(20, '0')}`
  writeFileSync(inLake(path), readFileSync(inLake(path), 'utf8').replace('"crc":"', '"crc":"0'))
  await expectFound('ranges', 'bad', path)
})

test('additions that are not what their name says', async () => {
  const path = `_hearth/additions/${'0'.repeat(64)}`
  await (await open()).store.put(path, Buffer.from('[]'))
  await expectFound('additions', 'bad', path)
})

test('a loss, and dead letters of the last day', async () => {
  const system = await openSystem(home)
  try {
    await system.gateway.receive(hub, packed(batchOf(['{"m":3}'], { first: COMMITS })), 'https')
    await system.writer.commitOnce()
    const loss = {
      time_ms: clock.now(),
      log_id: 'x',
      epoch: 1,
      table_position: 4,
      log_first: 7,
      log_next: 9,
    }
    const keep = (change: Pick<Loss, 'kind' | 'bucket' | 'reason'>) =>
      recordLoss({ lake: system.lake, clock, random }, { ...loss, ...change })
    await keep({ kind: 'replaced', bucket: 1, reason: 'log y took its place' })
    await expectFound('losses', 'warning', 'logs replaced, perhaps without loss: 1, the newest of')
    await keep({ kind: 'gap', bucket: 0, reason: 'the log begins at 7' })
  } finally {
    await system.close()
  }
  await expectFound('losses', 'warning', 'the log begins at 7; logs replaced')
  await expectFound('dead letters', 'warning', '1 of the last day')
})

test('dead letters of the last day, read from what came since then alone; what a replay stored is none', async () => {
  const later = new ManualClock(clock.now() + 3 * DAY_MS)
  const system = await openSystem(home, later)
  const found = async () => {
    const findings = await examineLake({ home, clock: later, random, config: parseConfig({}, 'test') }, { all: false })
    return findings.find(({ check }) => check === 'dead letters')?.found
  }
  try {
    // Of an event that was two days on its way, the letter is of today and what the replay stores is not.
    const lines = ['no json', 'nor this']
    await system.gateway.receive(hub, packed(batchOf(lines, { first: COMMITS, now: 2 * DAY_MS })), 'https')
    await system.writer.commitOnce()
    expect(await found()).toMatch(/^2 of the last day, most of them: /)
    const [letter] = await deadLetters({ ...system, scratch_folder: home }, { limit: 1 })
    if (!letter) throw new Error('no dead letter')
    await replay(system.log, letter, JSON.stringify(reading(1, 1)))
    await system.writer.commitOnce()
    expect((await system.rows("SELECT DISTINCT event_date FROM events WHERE kind <> 'batch'")).length).toBe(3)
    // Files of before are not asked for it.
    rmSync(inLake(dataFile()))
    expect(await found()).toMatch(/^1 of the last day, most of them: /)
  } finally {
    await system.close()
  }
})

test('numbers under which other events came, but not a batch that was sent again', async () => {
  const system = await openSystem(home)
  const send = async (value: number, change: object = {}) => {
    const batch = batchOf([reading(1, value), reading(2, value)], { boot: '1-2-00000001', ...change })
    await system.gateway.receive(hub, packed(batch), 'https')
    await system.writer.commitOnce()
  }
  try {
    await send(7)
    await send(7, { now: 61_000 })
    expect(await trouble()).toEqual([])
    await send(8)
  } finally {
    await system.close()
  }
  await expectFound(
    'reused numbers',
    'warning',
    '1 times other events came under numbers that were used, from 1 sources',
  )
})

/** Takes one more event into the table, from the log that is there. */
async function commitOne(value: number): Promise<void> {
  const system = await openSystem(home)
  try {
    await system.gateway.receive(hub, packed(batchOf([reading(value, value)], { first: value })), 'https')
    await system.writer.commitOnce()
  } finally {
    await system.close()
  }
}

test('a log that the table knows nothing of, and two that take turns', async () => {
  const [log, aside] = [join(home, 'log.db'), join(home, 'aside.db')]
  renameSync(log, aside)
  const other = await openSqliteLog(log, { buckets: 4, clock, random })
  await other.close()
  await expectFound('event logs', 'warning', `never from ${other.id}`)
  await commitOne(COMMITS)
  expect(await trouble()).toEqual([])
  renameSync(aside, log)
  await commitOne(COMMITS + 1)
  await expectFound('event logs', 'bad', 'take turns')
})

test('a lake within the lake', async () => {
  await (await open()).store.put('events/inner/_hearth/lake.json', Buffer.from('{}'))
  await expectFound('one lake', 'bad', 'events/inner/_hearth/lake.json')
})

test('a table of a newer format', async () => {
  const { store } = await open()
  await openLog(store, 'events').put({
    version: COMMITS + 1,
    info: { timestamp: clock.now() },
    ...{ adds: [], removes: [], txns: [], metadata: undefined },
    protocol: { ...WRITTEN_PROTOCOL, minReaderVersion: 9 },
  })
  await expectFound('events: table', 'bad', 'reader version 9')
})
