import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { eventLogConformance, logRecord } from './event-log.conformance.ts'
import { openSqliteLog } from './sqlite-log.ts'
import { openLogFile } from './sqlite-log-file.ts'

const options = { buckets: 4, clock: machineClock, random: machineRandom }

eventLogConformance('sqlite-log', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-log-'))
  const path = join(folder, 'log.db')
  return {
    open: () => openSqliteLog(path, options),
    // Killing the process is tested in sqlite-log.real.test.ts; here the file is only left as it is.
    crash: async (log) => log.close(),
    dispose: () => rm(folder, { recursive: true }),
  }
})

describe('the file of sqlite-log', () => {
  let folder: string
  let path: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hearth-log-'))
    path = join(folder, 'log.db')
  })
  afterEach(() => rm(folder, { recursive: true }))

  test('is synced at each commit: a power cut takes nothing that was acknowledged', () => {
    const exec = vi.spyOn(DatabaseSync.prototype, 'exec')
    try {
      const file = openLogFile(path, { buckets: 4, id: 'a' })
      const [connection] = exec.mock.contexts
      if (!(connection instanceof DatabaseSync)) throw new Error('the file is opened by a connection')
      expect(connection.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 })
      file.close()
    } finally {
      exec.mockRestore()
    }
  })

  test('of a newer format is refused by name, and not touched', async () => {
    await (await openSqliteLog(path, options)).close()
    const database = new DatabaseSync(path)
    database.exec(`UPDATE meta SET value = '2' WHERE key = 'format'`)
    database.close()
    await expect(openSqliteLog(path, options)).rejects.toThrow(/is of format 2; this Hearth reads up to format 1/)
  })

  test('of another number of buckets is refused', async () => {
    await (await openSqliteLog(path, options)).close()
    await expect(openSqliteLog(path, { ...options, buckets: 8 })).rejects.toThrow(/has 4 buckets, .* layout 8/)
  })

  test('with a record that cannot be read gives those before it, and refuses it alone', async () => {
    const log = await openSqliteLog(path, options)
    for (const text of ['a', 'b', 'c']) await log.append(0, logRecord(text))
    const database = new DatabaseSync(path)
    database.exec(`UPDATE bucket_0000 SET headers = '{}' WHERE position = 2`)
    database.close()
    const positions = async (from: number) => (await log.read(0, from, 1_000_000)).map(({ position }) => position)
    expect(await positions(1)).toEqual([1])
    await expect(positions(2)).rejects.toMatchObject({ kind: 'corrupt' })
    expect(await positions(3)).toEqual([3])
    await log.close()
  })

  test('with a record of a newer form is refused by name', async () => {
    const log = await openSqliteLog(path, options)
    await log.append(0, logRecord('a'))
    const database = new DatabaseSync(path)
    database.exec(`UPDATE bucket_0000 SET headers = '{"version":7}'`)
    database.close()
    await expect(log.read(0, 1, 1000)).rejects.toThrow(/record is of version 7; .* up to version 1/)
    await log.close()
  })

  test('is read and appended to by a second opener while the first has it', async () => {
    const first = await openSqliteLog(path, options)
    const second = await openSqliteLog(path, options)
    expect(second.id).toBe(first.id)
    const arrived = second.waitFor(1, 1, new AbortController().signal)
    await first.append(1, logRecord('from the first'))
    await arrived
    expect(await second.append(1, logRecord('from the second'))).toBe(2)
    expect((await first.read(1, 1, 1e6)).length).toBe(2)
    await first.close()
    await second.close()
  })

  test('minted anew is another log that numbers from 1 what it still holds', async () => {
    const log = await openSqliteLog(path, options)
    const before = log.id
    for (const text of ['a', 'b', 'c']) await log.append(0, logRecord(text))
    await log.trim(0, 3)
    await log.mintAnew?.()
    expect(log.id).not.toBe(before)
    expect(await log.bounds(0)).toEqual({ first: 1, next: 2 })
    expect(await log.append(0, logRecord('d'))).toBe(2)
    const id = log.id
    await log.close()
    const again = await openSqliteLog(path, options)
    expect(again.id).toBe(id)
    expect((await again.read(0, 1, 1e6)).map(({ record }) => Buffer.from(record.value).toString())).toEqual(['c', 'd'])
    await again.close()
  })

  test('a folder that is not there is said so', async () => {
    await expect(openSqliteLog(join(folder, 'none', 'log.db'), options)).rejects.toThrow(
      /none\/log.db cannot be opened/,
    )
  })

  test('a closed log says so', async () => {
    const log = await openSqliteLog(path, options)
    await log.close()
    await expect(log.append(0, logRecord('a'))).rejects.toThrow(/closed/)
  })
})
