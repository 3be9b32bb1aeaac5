/** What the world does to a state folder: each is one line that says what is wrong and what to do, and nothing is lost. */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { batchOf } from '../ingest/testing/batch.ts'
import { batchPoster } from '../link/post-batch.ts'
import { openSystem, type Result, type System } from './testing/system.ts'

const READY_MS = 60_000
const root = process.getuid?.() === 0
const scratch = mkdtempSync(join(tmpdir(), 'hearth-faults-'))
/** A state folder with a registry, a CA, a lake, an event log and a relay's ledger. */
let system: System
let token: string

beforeAll(async () => {
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
  await system.must(['registry', 'add', 'hub-1'])
  token = tokenIn(
    await system.must(['registry', 'token', 'create', 'meter', '--scope', 'telemetry', '--telemetry-source', 'hub-1']),
  )
  const ingest = system.start(['ingest'])
  const relay = system.start(['relay'])
  await ingest.untilSaid(/telemetry on mqtts:/, READY_MS)
  await relay.untilSaid(/"ready"|apps? on|hubs? on/, READY_MS)
  for (const running of [ingest, relay]) running.signal('SIGTERM')
  expect([(await ingest.ended).code, (await relay.ended).code]).toEqual([0, 0])
}, 2 * READY_MS)
afterAll(async () => {
  await system[Symbol.asyncDispose]()
  rmSync(scratch, { recursive: true, force: true })
})

const tokenIn = (text: string) => /hearth_\S+/.exec(text)?.[0] ?? ''

/** A copy of the state folder, for a test to break. */
function copyOf(name: string): string {
  const home = join(scratch, name)
  cpSync(system.home, home, { recursive: true })
  return home
}

/** One line on standard error that matches, no stack trace, and a code other than 0. */
function expectPlain({ code, stderr }: Result, message: RegExp, codes: readonly number[] = [1, 2]): void {
  // Before that a process may have logged facts, one JSON line each, and `up` has said what it starts.
  const said = stderr.split('\n').filter((line) => line !== '' && !/^\{"level"|^starting /.test(line))
  expect(said).toHaveLength(1)
  expect(said[0]).toMatch(/^hearth: /)
  expect(said[0]).toMatch(message)
  expect(codes).toContain(code)
}

describe('a file of a newer format is refused by name, and left as it is', () => {
  const meta = (file: string) => (home: string) => {
    using database = new DatabaseSync(join(home, file))
    database.exec("UPDATE meta SET value = '99' WHERE key = 'format'")
  }
  const segmentVersion = (file: string) => (home: string) => {
    const segment = readFileSync(join(home, file))
    segment.writeUInt32LE(99, 8)
    writeFileSync(join(home, file), segment)
  }
  const text = (file: string, from: RegExp, to: string) => (home: string) => {
    const before = readFileSync(join(home, file), 'utf8')
    const changed = before.replace(from, to)
    expect(changed).not.toBe(before)
    writeFileSync(join(home, file), changed)
  }
  const log = 'lake/events/_delta_log/00000000000000000000.json'
  it.each<[string, (home: string) => void, string[], RegExp]>([
    ['registry', meta('registry.db'), ['registry', 'hubs'], /registry.db has registry format 99, .* knows 1: use /],
    ['event log', meta('log.db'), ['ingest'], /log.db.*99/],
    [
      'ledger of the relay',
      segmentVersion('relay/0000000001.log'),
      ['relay'],
      /relay.0000000001.log is of format 99; .* up to 1. Run the version/,
    ],
    [
      'lake',
      text('lake/_hearth/lake.json', /"hearth_lake":\s*1/, '"hearth_lake":9'),
      ['lake', 'info'],
      /format version 9, .* up to 1: use a newer Hearth/,
    ],
    [
      'table',
      text(log, /"minReaderVersion":1/, '"minReaderVersion":9'),
      ['lake', 'tables'],
      /reader version 9; it reads up to 3: .*or use a newer Hearth/,
    ],
    [
      'demo',
      (home) => writeFileSync(join(home, 'demo.json'), '{"hearth_demo":9}'),
      ['up', '--demo'],
      /demo.json .*expected version 1, found 9; use/,
    ],
    [
      'demo that is none',
      (home) => writeFileSync(join(home, 'demo.json'), 'nonsense'),
      ['up', '--demo'],
      /demo.json .*expected version 1, found none/,
    ],
  ])('%s', async (name, spoil, words, message) => {
    const home = copyOf(`newer ${name}`)
    spoil(home)
    expectPlain(await system.run(words, { HEARTH_HOME: home }), message)
  })
})

describe('a port that another has', () => {
  it.each([
    ['ingest', 'HEARTH_INGEST_MQTT_PORT'],
    ['ingest', 'HEARTH_INGEST_HTTPS_PORT'],
    ['relay', 'HEARTH_RELAY_HUB_PORT'],
    ['relay', 'HEARTH_RELAY_APP_PORT'],
    ['dashboards', 'HEARTH_DASHBOARDS_PORT'],
  ])('hearth %s names %s and ends', async (name, variable) => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const address = other.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    try {
      const home = copyOf(`port ${variable}`)
      expectPlain(
        await system.run([name], { HEARTH_HOME: home, [variable]: String(port) }),
        new RegExp(`127.0.0.1:${port}.*in use`),
        [1],
      )
    } finally {
      other.close()
    }
  })

  it('hearth up names all of them at once, each with its variable', async () => {
    const others = [createServer(), createServer()]
    const ports: number[] = []
    for (const other of others) {
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
      const address = other.address()
      if (typeof address === 'object' && address !== null) ports.push(address.port)
    }
    const [app = 0, dashboards = 0] = ports
    try {
      const { code, stderr } = await system.run(['up'], {
        HEARTH_HOME: copyOf('ports of up'),
        HEARTH_RELAY_APP_PORT: String(app),
        HEARTH_DASHBOARDS_PORT: String(dashboards),
      })
      expect(stderr.split('\n').at(-2)).toBe(
        `hearth: 127.0.0.1:${app}, 127.0.0.1:${dashboards} are in use: end what holds them, or choose other ports with HEARTH_RELAY_APP_PORT (relay.app_port), HEARTH_DASHBOARDS_PORT (dashboards.port)`,
      )
      expect(code).toBe(1)
    } finally {
      for (const other of others) other.close()
    }
  })
})

describe('a folder that cannot be used', () => {
  it.each([
    ['ingest', 'run'],
    ['relay', 'run'],
    ['ingest', 'ca'],
    ['ingest', 'lake'],
    ['registry', 'registry.db'],
  ])('hearth %s names a file in the place of %s, or a folder in that of a file', async (name, place) => {
    const home = copyOf(`place ${name} ${place}`)
    rmSync(join(home, place), { recursive: true })
    if (place.endsWith('.db')) mkdirSync(join(home, place))
    else writeFileSync(join(home, place), '')
    const words = name === 'registry' ? ['registry', 'hubs'] : [name]
    expectPlain(await system.run(words, { HEARTH_HOME: home }), new RegExp(place))
  })

  it('a state folder on a read-only file system is named, and can still be asked', async ({ skip }) => {
    if (!root) skip('only root can mount, and a folder that is read-only by permission is no hindrance to root')
    const home = copyOf('read-only')
    execFileSync('mount', ['--bind', home, home])
    try {
      execFileSync('mount', ['-o', 'remount,bind,ro', home])
      for (const name of ['ingest', 'relay', 'up'])
        expectPlain(
          await system.run([name], { HEARTH_HOME: home }),
          /read-only|readonly|cannot be (written|opened)/,
          [1],
        )
      const { code, stdout } = await system.run(['sql', '--csv', 'select count(*) from events'], { HEARTH_HOME: home })
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^count_star\(\)\r\n\d+\r\n$/)])
    } finally {
      execFileSync('umount', [home])
    }
  })
})

it('a wrong key in hearth.yaml is named with the one that was meant', async () => {
  const home = copyOf('config')
  writeFileSync(join(home, 'hearth.yaml'), 'relay:\n  app_prot: 1\n')
  expectPlain(
    await system.run(['ingest'], { HEARTH_HOME: home, HEARTH_CONFIG: join(home, 'hearth.yaml') }),
    /hearth.yaml: unknown key relay.app_prot; did you mean relay.app_port\?/,
    [2],
  )
})

it('a full disk acknowledges nothing more, loses nothing acknowledged, and takes again when there is room', {
  timeout: 170_000,
}, async ({ skip }) => {
  if (!root) skip('only root can mount a small file system')
  const home = join(scratch, 'full')
  mkdirSync(home)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', home])
  const poster = batchPoster({
    url: `https://127.0.0.1:${system.ports.https}`,
    token,
    tls: { ca: readFileSync(join(system.home, 'ca', 'ca.pem'), 'utf8') },
  })
  try {
    // Without the relay's folder: the room that it keeps for itself is as large as this disk.
    cpSync(system.home, home, { recursive: true, filter: (path) => path !== join(system.home, 'relay') })
    const ingest = system.start(['ingest'], { HEARTH_HOME: home })
    await ingest.untilSaid(/telemetry on mqtts:/, READY_MS)
    let acknowledged = 0
    const acks: string[] = []
    /** Sends the next batch of 100 events; the same one again until it is acknowledged. */
    const send = async (): Promise<'durable' | 'refused' | 'unavailable'> => {
      const events = Array.from({ length: 100 }, (_, i) => ({ m: acknowledged + i, kind: 'log', text: noise(2_000) }))
      const bytes = batchOf(events, {
        boot: '1-1-00000001',
        first: acknowledged,
        next: acknowledged + 100,
        acked: acknowledged,
      })
      const answer = await poster.post(bytes).then(
        ({ kind }) => kind,
        () => 'unavailable' as const,
      )
      if (answer !== 'durable') return answer
      acks.push(
        JSON.stringify({ source: 'hub-1', boot: '1-1-00000001', stream: 'readings', first: acknowledged, count: 100 }),
      )
      acknowledged += 100
      return answer
    }
    expect(await send()).toBe('durable')
    // What is left is taken by a file of somebody else, to the last block.
    try {
      execFileSync('dd', ['if=/dev/zero', `of=${join(home, 'filler')}`, 'bs=64k'], { stdio: 'ignore' })
    } catch {
      // dd ends with an error when the disk is full, which is what it is for.
    }
    let answer = await send()
    for (let i = 0; i < 50 && answer === 'durable'; i++) answer = await send()
    expect(answer).toBe('unavailable')
    expect(await send()).toBe('unavailable')
    expect(existsSync(join(home, 'filler'))).toBe(true)
    rmSync(join(home, 'filler'))
    for (let i = 0; i < 100 && (await send()) !== 'durable'; i++) await after(200)
    expect(await send()).toBe('durable')
    ingest.signal('SIGTERM')
    expect((await ingest.ended).code).toBe(0)
    const journal = join(scratch, 'acks.ndjson')
    writeFileSync(journal, `${acks.join('\n')}\n`)
    const proof = await system.run(['verify', '--acks', journal], { HEARTH_HOME: home })
    expect(proof.stdout).toMatch(new RegExp(`acknowledged +${acknowledged}`))
    expect(proof.code).toBe(0)
  } finally {
    poster.close()
    execFileSync('umount', ['-l', home])
  }
})

/** Text that does not pack. */
function noise(length: number): string {
  return Array.from({ length }, () => Math.floor(Math.random() * 36).toString(36)).join('')
}
