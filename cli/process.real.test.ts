/** What every process owes whoever runs it: a log, last words, health, figures, a clean end. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freshWebApp } from '../dashboards/testing/web-app.ts'
import { RELAY_FLAGS } from './relay-flags.ts'
import { factsOf, openSystem, opsOf, type Running, type System, until } from './testing/system.ts'

let system: System
beforeAll(freshWebApp)
beforeEach(async () => {
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
})
afterEach(() => system[Symbol.asyncDispose]())

const START_MS = 60_000

/** Lines that a process logged; anything else that it said fails. */
function logOf(running: Running): readonly Readonly<Record<string, unknown>>[] {
  const lines = running.said().trim().split('\n')
  return lines.map((line): Record<string, unknown> => JSON.parse(line))
}

describe('a process', () => {
  it.each([
    { words: ['ingest'], name: 'ingest' },
    { words: ['relay'], name: 'relay' },
    { words: ['dashboards'], name: 'dashboards' },
    { words: ['jobs', 'scheduler'], name: 'jobs' },
    { words: ['hub', '--simulated', '1'], name: 'hub' },
  ])('logs one JSON line a fact from its start to its end: $name', async ({ words, name }) => {
    const running = system.start(words)
    await running.untilSaid(/"event":"(ready|boot)"/, START_MS)
    running.signal('SIGTERM')
    expect(await running.ended).toEqual({ code: 0, signal: null })
    for (const line of logOf(running)) {
      expect(line).toMatchObject({
        ...{ process: name, level: expect.stringMatching(/^(debug|info|warn|error)$/) },
        ...{ time: expect.stringMatching(/^\d{4}-.*Z$/), event: expect.any(String), msg: expect.any(String) },
      })
    }
  })

  it.each([
    { words: ['ingest'], name: 'ingest', figure: 'hearth_writer_lag_seconds{bucket="3",process="ingest"} 0' },
    { words: ['relay'], name: 'relay', figure: 'hearth_relay_connected_hubs{process="relay"} 0' },
    { words: ['dashboards'], name: 'dashboards', figure: 'hearth_dashboards_relay_up{process="dashboards"} 0' },
    {
      words: ['jobs', 'scheduler'],
      name: 'jobs',
      figure: 'hearth_jobs_failures_total{metric="hubs",process="jobs"} 0',
    },
    { words: ['hub', '--simulated', '2'], name: 'hubs', figure: 'hearth_hub_agents{process="hub"} 2' },
  ])('tells that it lives, whether it is ready, and its figures: $name', async ({ words, name, figure }) => {
    system.start(words)
    await until(`${name} serves`, START_MS, () => existsSync(join(system.home, 'run', `${name}.json`)))
    // The relay became a process with these; a child of `hearth up` is started with them.
    const words_file = `/proc/${String(factsOf(system, name)['pid'])}/cmdline`
    if (name === 'relay') expect(readFileSync(words_file, 'utf8')).toContain(`\0${RELAY_FLAGS.join('\0')}\0`)
    const at = (path: string) => fetch(`${opsOf(system, name)}${path}`)
    expect(await (await at('/healthz')).json()).toEqual({ alive: true })
    // Of the hubs none reaches a relay here; the others are ready, the dashboards once their query process and the web app are there.
    if (name === 'hubs') {
      const answer = await at('/readyz')
      expect(answer.status).toBe(503)
      expect(await answer.json()).toEqual({ ready: false, reasons: ['no connection to the relay: hub-01, hub-02'] })
    } else await until(`${name} is ready`, START_MS, async () => (await at('/readyz')).status === 200)
    const answer = await at('/metrics')
    expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4')
    const text = await answer.text()
    expect(text).toContain(`\n${figure}\n`)
    expect(text).toContain('process_resident_memory_bytes')
    for (const [, metric = ''] of text.matchAll(/^# TYPE (hearth_\S+) counter$/gm)) expect(metric).toMatch(/_total$/)
    expect((await at('/else')).status).toBe(404)
  })

  it.each([
    { words: ['ingest'], name: 'ingest', said: 'hearth ingest runs' },
    { words: ['relay'], name: 'relay', said: 'hearth relay runs' },
    { words: ['dashboards'], name: 'dashboards', said: 'hearth dashboards runs' },
    { words: ['jobs', 'scheduler'], name: 'jobs', said: 'hearth jobs scheduler runs' },
    { words: ['hub', '--simulated', '2'], name: 'hubs', said: 'process runs the hub hub-01' },
  ])('is the only one on its state folder: $name', async ({ words, name, said }) => {
    const first = system.start(words)
    await until(`${name} serves`, START_MS, () => existsSync(join(system.home, 'run', `${name}.json`)))
    const { code, stderr } = await system.run(words)
    expect(stderr).toContain(`hearth: another ${said} on ${system.home}: end it first`)
    expect(code).toBe(1)
    expect(factsOf(system, name)['pid']).toBe(first.pid)
  })

  it('that is hubs says once what it cannot reach, and when it can', async () => {
    const hubs = system.start(['hub', '--simulated', '2'])
    const unreachable = (name: string, port: number) =>
      new RegExp(`the ${name} at 127.0.0.1:${port} cannot be reached.*ECONNREFUSED.*; hearth up starts it`)
    await hubs.untilSaid(unreachable('relay', system.ports.hub), START_MS)
    await hubs.untilSaid(unreachable('gateway', system.ports.mqtt), START_MS)
    system.start(['relay'])
    await hubs.untilSaid(/hub-01: connected to the relay/, START_MS)
    await hubs.untilSaid(/hub-02: connected to the relay/, START_MS)
    const said = logOf(hubs).filter(({ event }) => event === 'unreachable')
    expect(said).toHaveLength(2)
  })

  it('leaves what others say of themselves: hubs with another prefix', async () => {
    const first = system.start(['hub', '--simulated', '1'])
    await until('the first serves', START_MS, () => existsSync(join(system.home, 'run', 'hubs.json')))
    const second = system.start(['hub', '--simulated', '1', '--prefix', 'other-'])
    await until('the second serves', START_MS, () => existsSync(join(system.home, 'run', 'hubs-other-01.json')))
    second.signal('SIGTERM')
    await second.ended
    expect(factsOf(system, 'hubs')['pid']).toBe(first.pid)
  })

  it('logs from the level on that HEARTH_LOG names', async () => {
    const running = system.start(['relay'], { HEARTH_LOG: 'warn' })
    await until('the relay serves', START_MS, () => existsSync(join(system.home, 'run', 'relay.json')))
    running.signal('SIGTERM')
    await running.ended
    expect(running.said()).toBe('')
    const wrong = await system.run(['relay'], { HEARTH_LOG: 'loud' })
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toMatch(/HEARTH_LOG: .*debug/)
  })

  it.each([
    { words: ['ingest'], variable: 'HEARTH_INGEST_MQTT_PORT' },
    { words: ['ingest'], variable: 'HEARTH_INGEST_HTTPS_PORT' },
    { words: ['relay'], variable: 'HEARTH_RELAY_HUB_PORT' },
    { words: ['relay'], variable: 'HEARTH_RELAY_APP_PORT' },
    { words: ['dashboards'], variable: 'HEARTH_DASHBOARDS_PORT' },
  ])('that cannot start says why in plain words, and ends: $words without $variable', async ({ words, variable }) => {
    const holder = createServer()
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
    const address = holder.address()
    const port = typeof address === 'object' && address ? address.port : 0
    try {
      const { code, stderr } = await system.run(words, { [variable]: String(port) })
      expect(code).toBe(1)
      expect(stderr).toContain(`127.0.0.1:${port}`)
      expect(stderr).toMatch(/^hearth: .*(in use|EADDRINUSE)/m)
    } finally {
      await new Promise((resolve) => holder.close(resolve))
    }
  })

  it('drains and ends with 0 at one Ctrl-C of npm start, though npm passes it on once more', {
    timeout: 120_000,
  }, async () => {
    const npm = spawn('npm', ['start', '--', '--hubs', '1', '--days', '0'], {
      ...{ cwd: import.meta.dirname, env: system.environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
    })
    let said = ''
    for (const stream of [npm.stdout, npm.stderr]) stream?.on('data', (part: Buffer) => (said += part.toString()))
    const ended = new Promise((resolve) => npm.on('close', (code, signal) => resolve({ code, signal })))
    const interrupt = (signal: NodeJS.Signals) => npm.pid !== undefined && process.kill(-npm.pid, signal)
    try {
      await until('it is ready', START_MS, () => said.includes('Hearth is ready'))
      interrupt('SIGINT')
      expect(await ended).toEqual({ code: 0, signal: null })
      expect(said).toMatch(/stopped: everything is committed\n$/)
    } finally {
      if (npm.exitCode === null && npm.signalCode === null) interrupt('SIGKILL')
    }
  })

  it('tells its supervisor why it could not start', async () => {
    // The log is of a newer format: nothing that `up` itself looks at.
    const database = new DatabaseSync(join(system.home, 'log.db'))
    database.exec('CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID')
    database.exec("INSERT INTO meta VALUES ('format', '99')")
    database.close()
    const { code, stderr } = await system.run(['up'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^hearth: ingest did not start: .*log\.db is of format 99/m)
    expect(stderr).not.toContain('Node.js v')
    expect(stderr).not.toContain('{')
  })
})
