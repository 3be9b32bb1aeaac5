/** Nothing acknowledged is lost or doubled when the whole system is killed, at any moment, again and again. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { openFolderStore } from '../lake/folder-store.ts'
import { damageOneRow } from '../lake/testing/one-row.ts'
import { seededRandom } from '../sim/clock.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'
import { type Load, startLoad } from './testing/load-process.ts'
import { openSystem, type Running, type System } from './testing/system.ts'

/** `KILLS=…` for more. */
const KILLS = Number(process.env['KILLS'] ?? 10)
/** A life is cut off while it starts with this chance; else some time after it was ready. */
const DURING_START = 0.3
const START_MS = 3_000
const LIFE_MS = 2_500
/** Kills of a start on an empty folder, each within this. */
const FIRST_STARTS = 4
const FIRST_START_MS = 5_000
const UP = ['up', '--demo', '--hubs', '3', '--days', '0']
const READY = /Hearth is ready/
const READY_LIMIT_MS = 90_000
/** `KILL_SEED=…` repeats the moments of a run; what the machine does at them is its own. */
const SEED = Number(process.env['KILL_SEED'] ?? Math.floor(random.float() * 2 ** 31))

const verification = z.object({
  ok: z.boolean(),
  totals: z.object({ lost: z.number(), broken: z.number(), pending: z.number(), duplicates: z.number() }),
  streams: z.array(z.looseObject({ source: z.string(), stored: z.number(), dead: z.number(), pending: z.number() })),
  acknowledged: z.object({ journal: z.number(), found: z.number(), missing: z.array(z.unknown()) }),
})
type Answered = { readonly command: string; readonly hub: string; readonly outcome: string }

let system: System
let folder: string
let load: Load | undefined

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-kill-'))
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
})

afterAll(async () => {
  load?.kill()
  await system[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

async function verify(home?: string) {
  const words = ['verify', '--acks', join(folder, 'acks.ndjson'), '--json']
  const { code, stdout, stderr } = await system.run(words, home === undefined ? {} : { HEARTH_HOME: home })
  if (!stdout.startsWith('{')) throw new Error(`hearth verify exited with ${code}: ${stderr}${stdout}`)
  return { code, ...verification.parse(JSON.parse(stdout)) }
}

/** Sends one command after the other until told to end; keeps those to which the relay answered with an outcome. */
function sendCommands(): { readonly answered: Answered[]; end(): Promise<void> } {
  const answered: Answered[] = []
  const ending = new AbortController()
  async function one(hub: string): Promise<void> {
    const token = readFileSync(join(system.home, 'run', 'token'), 'utf8').trim()
    const response = await fetch(`http://127.0.0.1:${system.ports.app}/v1/hubs/${hub}/commands`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ device: 'kitchen-lamp', set: { powered: answered.length % 2 }, deadline_ms: 2_000 }),
      signal: AbortSignal.timeout(10_000),
    })
    const report: unknown = await response.json()
    const found = z.object({ command: z.string(), outcome: z.string() }).safeParse(report)
    if (found.success) answered.push({ ...found.data, hub })
  }
  const running = (async () => {
    for (let i = 0; !ending.signal.aborted; i++) {
      // Nobody there, or killed before the answer: nothing was promised.
      await one(`demo-0${1 + (i % 3)}`).catch(() => undefined)
      await after(50)
    }
  })()
  return {
    answered,
    async end() {
      ending.abort()
      await running
    },
  }
}

/** One life of the system, from its start to kill -9 of all of it. Resolves with whether it was ready before. */
async function live(chance: () => number): Promise<boolean> {
  const tree = system.start(UP)
  if (chance() < DURING_START) {
    await after(chance() * START_MS)
    const ready = READY.test(tree.said())
    await tree.killTree()
    return ready
  }
  await tree.untilSaid(READY, READY_LIMIT_MS)
  await after(chance() * LIFE_MS)
  await tree.killTree()
  return true
}

it(`kill -9 of everything, ${KILLS} times at random moments: nothing acknowledged is lost or doubled`, {
  timeout: 900_000,
  retry: 0,
}, async () => {
  console.warn(`KILL_SEED=${SEED}`)
  const chance = seededRandom(SEED).float
  load = await startLoad(system, { folder, hubs: 6, seed: SEED })
  const commands = sendCommands()
  const grown: number[] = []
  let ready = 0
  for (let kill = 1; kill <= KILLS; kill++) {
    const before = load.acknowledged_bytes()
    if (await live(chance)) ready++
    grown.push(load.acknowledged_bytes() - before)
    // Dead as it is: what is acknowledged is in the table or in the log.
    if (kill % 5 === 0) expect(await verify()).toMatchObject({ code: 0, ok: true })
  }
  // Most lives took in something; the others were cut off while they started.
  expect(grown.filter((bytes) => bytes > 0).length).toBeGreaterThan(KILLS / 3)

  const last = system.start(UP)
  await last.untilSaid(READY, READY_LIMIT_MS)
  const counts = await load.end()
  load = undefined
  await commands.end()
  expect(counts.refused).toEqual([])
  expect(counts.boots).toBeGreaterThan(3)
  expect(counts.repeats).toBeGreaterThan(0)
  expect(counts.unanswered).toBeGreaterThan(0)
  await endGently(last)

  const lines = readFileSync(join(folder, 'acks.ndjson'), 'utf8').trimEnd().split('\n')
  const names = lines.map((line) => {
    const { source, boot, stream, first } = JSON.parse(line)
    return `${source} ${boot} ${stream} ${first}`
  })
  expect(new Set(names).size).toBe(names.length)
  expect(names.length).toBe(counts.batches)

  const found = await verify()
  expect(found).toMatchObject({ code: 0, ok: true, totals: { lost: 0, broken: 0 } })
  expect(found.acknowledged).toEqual({ journal: counts.events, found: counts.events, missing: [] })
  const loads = found.streams.filter(({ source }) => source.startsWith('load-'))
  expect(sum(loads.map(({ stored }) => stored))).toBe(counts.events)
  expect(sum(loads.map(({ dead, pending }) => dead + pending))).toBe(0)
  expect(found.totals.duplicates).toBeGreaterThan(0)
  const text = await system.must(['verify', '--acks', join(folder, 'acks.ndjson')])
  expect(text).toMatch(new RegExp(`acknowledged\\s+${counts.events}\\b`))
  expect(text).toMatch(/stored\s+\d+/)
  expect(text).toMatch(new RegExp(`duplicates removed\\s+${found.totals.duplicates}\\b`))
  console.warn(
    `${ready} of ${KILLS} lives were ready when they were killed; ${counts.events} events in ${counts.batches} batches acknowledged, ${found.totals.duplicates} duplicates removed; ` +
      `${counts.unanswered} transmissions without an answer, ${counts.boots} boots; ${commands.answered.length} commands answered`,
  )
  await contentIsWhatWasSent()
  await commandsKept(commands.answered)
})

const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0)

/** Ctrl-C in a terminal: SIGINT to the whole group. */
async function endGently(tree: Running): Promise<void> {
  process.kill(-tree.pid, 'SIGINT')
  expect(await tree.ended).toEqual({ code: 0, signal: null })
}

/** The load's readings carry their own number as value. */
async function contentIsWhatWasSent(): Promise<void> {
  const [row] = await system.csv(
    `select count(*), count(*) filter (where value <> seq) from readings where hub_id like 'load-%'`,
  )
  expect(Number(row?.[0])).toBeGreaterThan(0)
  expect(row?.[1]).toBe('0')
}

/** What the relay answered to an app is in the ledger, and no hub executed a command twice. */
async function commandsKept(answered: readonly Answered[]): Promise<void> {
  expect(answered.filter(({ outcome }) => outcome === 'done').length).toBeGreaterThan(0)
  const rows = await system.csv(`select command_id, stage, source_id from events where kind = 'command'`)
  const told = new Set(rows.map(([command, stage, source]) => `${command} ${stage} ${source}`))
  expect(answered.filter(({ command, outcome }) => !told.has(`${command} ${outcome} relay-0`))).toEqual([])
  const executed = rows.filter(([, stage, source]) => stage === 'executed' && source !== 'relay-0')
  expect(new Set(executed.map(([command]) => command)).size).toBe(executed.length)
}

it('a first start that is killed again and again, in the middle of its history too, is finished by the next', {
  timeout: 600_000,
  retry: 0,
}, async () => {
  const chance = seededRandom(SEED + 1).float
  const words = ['up', '--demo', '--hubs', '2', '--days', '1']
  const fresh = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
  try {
    for (let kill = 0; kill < FIRST_STARTS; kill++) {
      const tree = fresh.start(words)
      await after(chance() * FIRST_START_MS)
      await tree.killTree()
    }
    const tree = fresh.start(words)
    await tree.untilSaid(READY, READY_LIMIT_MS)
    await endGently(tree)
    const { code, stdout } = await fresh.run(['verify', '--json'])
    expect({ code, totals: JSON.parse(stdout).totals }).toMatchObject({ code: 0, totals: { lost: 0, broken: 0 } })
    const [counts] = await fresh.csv(
      `select count(*), count(distinct (source_id, boot_id, stream, seq)), count(*) filter (where kind = 'reading') from events
       where kind not in ('batch', 'dead')`,
    )
    expect(counts?.[0]).toBe(counts?.[1])
    expect(Number(counts?.[2])).toBeGreaterThan(100)
  } finally {
    await fresh[Symbol.asyncDispose]()
  }
})

it.each(['missing', 'twice'] as const)(
  'hearth verify exits with 1 when one stored row is %s',
  {
    timeout: 300_000,
  },
  async (damage) => {
    const home = join(folder, damage)
    cpSync(system.home, home, { recursive: true })
    expect(await verify(home)).toMatchObject({ code: 0, ok: true })
    const where = `source_id = 'load-1' AND kind = 'reading'`
    const scratch_folder = join(folder, 'scratch')
    await damageOneRow({
      ...{ store: openFolderStore(join(home, 'lake')), table: 'events', where, damage, clock, random, scratch_folder },
    })
    const { code, ok, streams } = await verify(home)
    expect({ code, ok }).toEqual({ code: 1, ok: false })
    const name = damage === 'missing' ? 'rows_missing' : 'rows_doubled'
    const wrong = streams.filter((one) => JSON.stringify(one[name]) !== '[]')
    expect(wrong.map(({ source }) => source)).toEqual(['load-1'])
    const { code: textCode, stdout } = await system.run(['verify'], { HEARTH_HOME: home })
    expect(textCode).toBe(1)
    expect(stdout).toContain(damage === 'missing' ? 'the table has no such row' : 'in the table more than once')
  },
)
