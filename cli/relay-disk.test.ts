import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openLogDisk } from '../link/log-disk.ts'
import { openSqliteDisk } from '../link/sqlite-disk.ts'
import { openRelayDisk } from './relay-disk.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hearth-relay-disk-'))
})
afterEach(() => rmSync(home, { recursive: true }))
const fault = (error: unknown) => expect.fail(String(error))

test('what an earlier version left in SQLite is taken over once, in full', async () => {
  const earlier = openSqliteDisk(join(home, 'relay.db'))
  const keys = Array.from({ length: 2_500 }, (_, i) => `key/${String(i).padStart(4, '0')}`)
  earlier.write(keys.map((key) => ({ put: key, value: Buffer.from(`value of ${key}`) })))
  earlier.close()
  const disk = await openRelayDisk(home, fault)
  expect(existsSync(join(home, 'relay.db'))).toBe(false)
  expect(readdirSync(home)).toEqual(['relay'])
  disk.write([{ delete: 'key/0007' }])
  disk.close()
  const again = await openRelayDisk(home, fault)
  const found = again.scan('', '~')
  expect(found.map(({ key }) => key)).toEqual(keys.filter((key) => key !== 'key/0007'))
  expect(Buffer.from(found[8]?.value ?? []).toString()).toBe('value of key/0009')
  again.close()
})

/** What a version of before leaves: the counter of its boots, and a value. */
function earlierWith(counter: string): void {
  const earlier = openSqliteDisk(join(home, 'relay.db'))
  earlier.write([
    { put: 'outbox/meta', value: Buffer.from(counter) },
    { put: 'value', value: Buffer.from(counter) },
  ])
  earlier.close()
}
const valueOf = async () => {
  const disk = await openRelayDisk(home, fault)
  const value = Buffer.from(disk.get('value') ?? []).toString()
  disk.close()
  return value
}

test('a takeover that was cut off begins anew, and one that was not tidied up is not done twice', async () => {
  earlierWith('1')
  // Died midway: a draft of something older.
  const draft = openLogDisk(join(home, 'relay.new'))
  draft.write([{ put: 'stale', value: Buffer.from('x') }])
  draft.close()
  expect(await valueOf()).toBe('1')
  expect(readdirSync(home)).toEqual(['relay'])
  // Died before the file was removed.
  earlierWith('1')
  expect(await valueOf()).toBe('1')
  expect(readdirSync(home)).toEqual(['relay'])
})

test('where an earlier version ran after this one, nobody guesses which counts', async () => {
  earlierWith('1')
  expect(await valueOf()).toBe('1')
  earlierWith('7')
  await expect(openRelayDisk(home, fault)).rejects.toThrow(/both .*relay\.db and .*relay are there/)
  expect(existsSync(join(home, 'relay.db'))).toBe(true)
})
