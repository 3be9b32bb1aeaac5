import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { registryConformance } from './registry.conformance.ts'
import { REGISTRY_FORMAT } from './registry-options.ts'
import { openSqliteRegistry } from './sqlite-registry.ts'

const random = seededRandom(1)
const open = (path: string, clock = new ManualClock(), fleet = 'demo', buckets = 4) =>
  openSqliteRegistry(path, { fleet, layout: { epoch: 1, buckets }, clock, random })

async function inFolder(action: (path: string) => void | Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-registry-'))
  try {
    await action(join(folder, 'registry.db'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

registryConformance('the SQLite registry', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-registry-'))
  return {
    open: async (clock) => open(join(folder, 'registry.db'), clock),
    dispose: async () => rmSync(folder, { recursive: true }),
  }
})

test('a registry of another fleet or another layout is refused, and says what to do', () =>
  inFolder(async (path) => {
    await open(path).close()
    expect(() => open(path, undefined, 'other')).toThrow(/fleet "demo".*correct `fleet`/)
    expect(() => open(path, undefined, 'demo', 8)).toThrow(/4 buckets.*set layout.buckets to 4/)
  }))

test('a registry of a newer format is refused by name', () =>
  inFolder(async (path) => {
    await open(path).close()
    const database = new DatabaseSync(path)
    database.exec(`UPDATE meta SET value = '${REGISTRY_FORMAT + 1}' WHERE key = 'format'`)
    database.close()
    expect(() => open(path)).toThrow(/format 2, this version of Hearth knows 1/)
  }))

test('a file that is no database is corrupt, a folder that is not there unavailable', () =>
  inFolder((path) => {
    writeFileSync(path, 'not a database, and long enough to be looked at as one '.repeat(100))
    expect(() => open(path)).toThrow(expect.objectContaining({ kind: 'corrupt' }))
    expect(() => open(join(path, 'nowhere', 'registry.db'))).toThrow(expect.objectContaining({ kind: 'unavailable' }))
  }))

test('neither a token nor a code can be read from the file', () =>
  inFolder(async (path) => {
    const registry = open(path)
    await registry.putHub(
      { hub: 'a', home: 'h', region: 'eu', model: 'm', zone: 'UTC', generation: 1, enrolled_ms: 1, maintenance: [] },
      1,
    )
    const secrets = [registry.createToken({ app: 'panel', scopes: ['commands'] }), await registry.createCode('a')]
    await registry.close()
    const bytes = readFileSync(path, 'latin1')
    for (const secret of secrets) expect(bytes).not.toContain(secret)
    expect(bytes).toContain('panel')
  }))
