import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openSqliteDisk } from '../link/sqlite-disk.ts'
import { openRelayDisk } from './relay-disk.ts'

const home = mkdtempSync(join(tmpdir(), 'hearth-relay-disk-'))
afterAll(() => rmSync(home, { recursive: true }))
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
