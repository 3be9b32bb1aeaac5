import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { describeConfig } from './config.ts'
import { loadConfig, parseConfig } from './load-config.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-config-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('configuration', () => {
  test('with nothing set is the embedded system', () => {
    expect(loadConfig(folder, {}, folder)).toMatchObject({
      fleet: 'demo',
      layout: { buckets: 4 },
      relay: { host: '127.0.0.1' },
    })
  })

  test('takes the file, and variables above it', () => {
    writeFileSync(join(folder, 'hearth.yaml'), 'fleet: north\nrelay:\n  app_port: 1\n  hub_port: 2\n')
    const config = loadConfig(folder, { HEARTH_RELAY_APP_PORT: '3', HEARTH_HOME: folder }, folder)
    expect(config.fleet).toBe('north')
    expect(config.relay).toMatchObject({ app_port: 3, hub_port: 2 })
  })

  test.each([
    ['relay:\n  ap_port: 1\n', 'unknown key relay.ap_port; did you mean relay.app_port?'],
    ['rely:\n  app_port: 1\n', 'unknown key rely; did you mean relay?'],
    ['relay:\n  app_port: 99999\n', 'relay.app_port: expected a port from 0 to 65535, found 99999'],
    ['relay:\n  app_port: eighty\n', 'relay.app_port: expected a port from 0 to 65535, found "eighty"'],
    ['fleet: North Star\n', 'fleet: expected a name of 1 to 32 lower-case letters, digits and hyphens, found "North'],
    ['fleet: 7\n', 'fleet: expected a text, found 7'],
    ['relay: 7\n', 'relay: expected a section with keys, found 7'],
    ['log: loud\n', 'log: expected one of debug, info, warn, error, found "loud"'],
    ['ingest:\n  freshness_ms: 5\n', 'ingest.freshness_ms: expected a whole number from 100, found 5'],
    ['jobs:\n  queue: localhost:6379\n', 'jobs.queue: expected nothing, or redis://[user:password@]host'],
    ['[1, 2]', 'must be a mapping'],
    ['a: [', 'is not YAML'],
  ])('refuses %j, naming what is wrong', (text, message) => {
    writeFileSync(join(folder, 'hearth.yaml'), text)
    expect(() => loadConfig(folder, {}, folder)).toThrow(message)
  })

  test('names the variable that is wrong, and the file only for what it says', () => {
    const file = join(folder, 'hearth.yaml')
    const load = () => loadConfig(folder, { HEARTH_RELAY_APP_PORT: 'eighty' }, folder)
    writeFileSync(file, 'fleet: north\n')
    expect(load).toThrow(/^configuration in the environment: HEARTH_RELAY_APP_PORT: expected a port .*"eighty"$/)
    writeFileSync(file, 'fleet: 7\n')
    expect(load).toThrow(`configuration in ${file}: fleet: expected a text, found 7; HEARTH_RELAY_APP_PORT: `)
  })

  test('refuses an unknown variable and suggests the right one, or each that may be meant', () => {
    expect(() => loadConfig(folder, { HEARTH_RELAY_PORT: '3' }, folder)).toThrow(
      'did you mean HEARTH_RELAY_HUB_PORT or HEARTH_RELAY_APP_PORT or HEARTH_RELAY_PEER_PORT or HEARTH_RELAY_OPS_PORT?',
    )
    expect(() => loadConfig(folder, { HEARTH_RELAY_APPPORT: '3' }, folder)).toThrow(
      'did you mean HEARTH_RELAY_APP_PORT?',
    )
  })

  test.each([
    'redis//:a-word@host',
    'http://user:a-word@host',
    'redis://user:a-word@host/tables',
    'redis://user:a-word%@host',
    'a-word@host',
  ])('does not tell the password of %j, which is wrong', (queue) => {
    const load = () => loadConfig(folder, { HEARTH_JOBS_QUEUE: queue }, folder)
    expect(load).toThrow('HEARTH_JOBS_QUEUE: expected nothing, or redis://')
    expect(load).not.toThrow('a-word')
  })

  test('refuses a named file that is not there', () => {
    expect(() => loadConfig(folder, { HEARTH_CONFIG: join(folder, 'no.yaml') }, folder)).toThrow('does not exist')
  })

  test('every key says what it means', () => {
    const rows = describeConfig()
    expect(rows.filter((row) => row.meaning === '' || row.fallback === undefined)).toEqual([])
    expect(parseConfig({}, 'test')).toBeDefined()
  })
})
