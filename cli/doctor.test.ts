import { existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Clock } from '../contract/clock.ts'
import { rangesKey } from '../ingest/ranges-store.ts'
import { openLogDisk } from '../link/log-disk.ts'
import { openSqliteDisk } from '../link/sqlite-disk.ts'
import { examine } from './doctor.ts'
import { openAuthority, openLocalLake, openRegistry } from './fleet.ts'
import { parseConfig } from './load-config.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'
import { lockState } from './state-lock.ts'

let home = ''
let holder: Server
let port = 0
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'hearth-doctor-'))
  holder = createServer()
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
  const address = holder.address()
  port = typeof address === 'object' && address ? address.port : 0
})
afterEach(async () => {
  await new Promise((resolve) => holder.close(resolve))
  rmSync(home, { recursive: true, force: true })
})

/** One port is taken, and the others are nobody's: a Hearth may run on this machine. */
const context = () => {
  const ports = { ingest: { mqtt_port: 0, https_port: 0 }, dashboards: { port: 0 } }
  return { home, clock, random, config: parseConfig({ ...ports, relay: { app_port: port, hub_port: 0 } }, 'test') }
}
const found = async (check: string) => (await examine(context())).find((finding) => finding.check === check)

/** An installation that was started once. */
async function install() {
  const registry = await openRegistry(context())
  await openAuthority(context(), registry)
  await registry.close()
  const { store } = await openLocalLake(context())
  await rangesKey(store, random)
}

function setFormat(disk: string, version: number) {
  using database = new DatabaseSync(disk)
  database.exec(`PRAGMA user_version = ${version}`)
}

describe('the doctor', () => {
  test('says what a new folder still needs, and which port is taken and how to choose another', async () => {
    expect(await found('lake')).toMatchObject({ state: 'warning', advice: 'hearth up makes one' })
    expect(await found('relay.app_port')).toMatchObject({
      state: 'bad',
      advice: expect.stringContaining('HEARTH_RELAY_APP_PORT'),
    })
    expect(await found('clock')).toMatchObject({ state: 'good' })
  })

  test('does not miss what an unfinished start never made, and makes nothing itself', async () => {
    await openLocalLake(context())
    const findings = await examine(context())
    expect(findings.filter(({ state }) => state === 'bad').map(({ check }) => check)).toEqual(['relay.app_port'])
    for (const check of ['registry', 'event log', 'authority']) {
      expect(findings).toContainEqual(
        expect.objectContaining({ check, state: 'warning', advice: 'hearth up makes it' }),
      )
    }
    expect(readdirSync(home)).toEqual(['lake'])
    rmSync(home, { recursive: true })
    expect(await found('state folder')).toMatchObject({ state: 'warning', found: `there is no ${home} yet` })
    expect(existsSync(home)).toBe(false)
  })

  test('reads every durable thing, and names the one that is gone or newer than it knows', async () => {
    await install()
    expect(await found('lake')).toMatchObject({ state: 'good', found: expect.stringContaining('fleet demo') })
    expect(await found('registry')).toMatchObject({ state: 'good', found: '0 hubs, 0 tokens' })
    expect(await found('authority')).toMatchObject({ state: 'good' })
    expect(await found('event log')).toMatchObject({ state: 'bad', found: expect.stringContaining('log.db is gone') })
    writeFileSync(join(home, 'lake', '_hearth', 'lake.json'), '{"hearth_lake":99}')
    expect(await found('lake')).toMatchObject({ state: 'bad' })
  })

  test('looks into the disks of relay and hubs, and into the plan of the demo', async () => {
    await install()
    expect(await found('relay and hubs')).toMatchObject({ state: 'good', found: '0 disks' })
    expect(await found('demo')).toMatchObject({ state: 'good', found: 'none' })
    const hub = join(home, 'hubs', 'demo-01', 'agent.db')
    openSqliteDisk(hub).close()
    const spool = join(home, 'relay')
    const relay = openLogDisk(spool)
    const plan = { hearth_demo: 1, hubs: 25, days: 14, end_ms: 0, seed: 1, sent: true }
    writeFileSync(join(home, 'demo.json'), JSON.stringify(plan))
    expect(await found('relay and hubs')).toMatchObject({ state: 'good', found: '2 disks, 1 of them in use' })
    expect(await found('demo')).toMatchObject({ state: 'good', found: '25 hubs with 14 days of history' })
    relay.close()
    setFormat(hub, 99)
    expect(await found('relay and hubs')).toMatchObject({ state: 'bad', found: expect.stringContaining(hub) })
    setFormat(hub, 1)
    const [segment = ''] = globSync(join(spool, '*.log'))
    writeFileSync(segment, 'something else altogether')
    expect(await found('relay and hubs')).toMatchObject({ state: 'bad', found: expect.stringContaining(segment) })
    rmSync(segment)
    writeFileSync(join(home, 'demo.json'), JSON.stringify({ ...plan, hearth_demo: 2 }))
    expect(await found('demo')).toMatchObject({ state: 'bad', found: expect.stringContaining('found 2') })
  })

  test('tells a clock that is behind what was written', async () => {
    writeFileSync(join(home, 'log.db'), '')
    const later = new Date(clock.now() + 3_600_000)
    utimesSync(join(home, 'log.db'), later, later)
    expect(await found('clock')).toMatchObject({ state: 'bad', found: expect.stringContaining('s behind the log') })
  })

  test('tells a process that is gone from one whose lock is still held', async () => {
    mkdirSync(join(home, 'run'))
    const gone = JSON.stringify({ pid: 2 ** 22 + 1 })
    for (const name of ['ingest', 'relay']) writeFileSync(join(home, 'run', `${name}.json`), gone)
    const lock = lockState(home, 'ingest', 'held')
    expect(await found('ingest')).toMatchObject({ state: 'bad', found: expect.stringContaining('its lock is held') })
    expect(await found('relay')).toMatchObject({ state: 'warning', advice: 'hearth up starts it again' })
    lock.release()
    expect(await found('ingest')).toMatchObject({ state: 'warning' })
  })

  test('says when nothing runs, and how to start it', async () => {
    expect(await found('processes')).toMatchObject({ state: 'warning', advice: 'hearth up starts it' })
    mkdirSync(join(home, 'run'))
    writeFileSync(join(home, 'run', 'jobs.json'), JSON.stringify({ pid: process.pid }))
    expect(await found('processes')).toBeUndefined()
  })

  test("takes a port that a process of this Hearth listens on for nobody else's, whatever the process is called", async () => {
    mkdirSync(join(home, 'run'))
    const facts = { pid: process.pid, app_url: `http://127.0.0.1:${port}` }
    writeFileSync(join(home, 'run', 'relay-two.json'), JSON.stringify(facts))
    expect(await found('relay.app_port')).toBeUndefined()
    writeFileSync(join(home, 'run', 'relay-two.json'), JSON.stringify({ ...facts, pid: 2 ** 22 + 1 }))
    expect(await found('relay.app_port')).toMatchObject({ state: 'bad' })
  })

  test('says how to end a process that does not answer', async () => {
    mkdirSync(join(home, 'run'))
    const facts = { pid: process.pid, ops_url: `http://127.0.0.1:${port}` }
    writeFileSync(join(home, 'run', 'ingest.json'), JSON.stringify(facts))
    // `holder` takes connections and never answers; the time is over at once.
    const hasty: Clock = {
      ...clock,
      timer(_delay_ms, overdue) {
        overdue()
        return () => {}
      },
    }
    const findings = await examine({ ...context(), clock: hasty })
    expect(findings.find(({ check }) => check === 'ingest')).toMatchObject({
      state: 'bad',
      found: expect.stringContaining('no answer in 3 s'),
      advice: expect.stringContaining(`kill -9 ${process.pid}`),
    })
  })

  test('advises to accept what cannot be read, and never what cannot be reached for now', async () => {
    let reason = 'bucket 2 is stopped: it cannot be read: not of Hearth'
    const writer = createHttpServer((_request, response) =>
      response.end(JSON.stringify({ ready: false, reasons: [reason] })),
    )
    await new Promise<void>((resolve) => writer.listen(0, '127.0.0.1', resolve))
    const address = writer.address()
    const ops_url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
    mkdirSync(join(home, 'run'))
    writeFileSync(join(home, 'run', 'writer.json'), JSON.stringify({ pid: process.pid, ops_url }))
    expect(await found('writer')).toMatchObject({ advice: expect.stringContaining('accept-loss 2 ') })
    reason = 'bucket 2 is stopped: it cannot be reached, and is tried again by itself: no broker'
    expect((await found('writer'))?.advice).toBeUndefined()
    await new Promise((resolve) => writer.close(resolve))
  })

  test('names the hubs that have no connection', async () => {
    await install()
    const registry = await openRegistry(context())
    const where = { home: 'h', region: 'local', model: 'm', zone: 'UTC', generation: 1, enrolled_ms: 1 }
    const maintenance = [{ from_ms: 0, to_ms: clock.now() + 3_600_000 }]
    await registry.putHub({ hub: 'here', ...where, maintenance: [] }, 1)
    await registry.putHub({ hub: 'away', ...where, maintenance: [] }, 1)
    await registry.putHub({ hub: 'mended', ...where, maintenance }, 1)
    await registry.close()
    const relay = createHttpServer((_request, response) => response.end('{"hubs":[{"hub":"here"}]}'))
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
    const address = relay.address()
    const app_url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
    mkdirSync(join(home, 'run'))
    writeFileSync(join(home, 'run', 'token'), 'hearth_token')
    writeFileSync(join(home, 'run', 'relay.json'), JSON.stringify({ pid: process.pid, app_url }))
    const hubs = await found('hubs')
    await new Promise((resolve) => relay.close(resolve))
    expect(hubs).toMatchObject({ state: 'warning', found: '1 of 2 not connected: away (never enrolled)' })
  })

  test('names a metric of the configured folder that cannot be used, and a folder that is not there', async () => {
    const folder = join(home, 'metrics')
    const ownMetrics = async () => {
      const { config, ...rest } = context()
      const own = { ...rest, config: { ...config, jobs: { ...config.jobs, metrics: folder } } }
      return (await examine(own)).find(({ check }) => check === 'own metrics')
    }
    expect(await ownMetrics()).toMatchObject({ state: 'bad', found: expect.stringContaining(folder) })
    mkdirSync(folder)
    expect(await ownMetrics()).toMatchObject({ state: 'good', found: `0 in ${folder}` })
    writeFileSync(join(folder, 'half.sql'), '-- metric: half\n')
    expect(await ownMetrics()).toMatchObject({ state: 'bad', found: expect.stringMatching(/half\.sql: /) })
  })
})
