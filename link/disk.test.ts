import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, test } from 'vitest'
import { isProblem } from '../contract/problem.ts'
import { diskConformance } from './disk.conformance.ts'
import type { Disk } from './disk.ts'
import { openLogDisk } from './log-disk.ts'
import { type MemoryDisk, memoryDisk } from './memory-disk.ts'
import { openSqliteDisk } from './sqlite-disk.ts'

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hearth-disk-'))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))
let count = 0
const newFile = () => path.join(folder, `${count++}.db`)
const bytes = (text: string) => new Uint8Array(Buffer.from(text))

const memory = new WeakMap<Disk, MemoryDisk>()
diskConformance(
  'memory',
  () => {
    const disk = memoryDisk()
    memory.set(disk, disk)
    return disk
  },
  (disk) => memory.get(disk)?.kill() ?? memoryDisk(),
)

test('in memory, a power cut leaves what was synced and, of the writes after it, as many of the first as it is told', async () => {
  const written = async () => {
    const disk = memoryDisk()
    disk.write([{ put: 'a', value: bytes('1') }])
    const syncing = disk.sync()
    disk.write([{ put: 'b', value: bytes('1') }])
    await syncing
    disk.write([{ delete: 'a' }, { put: 'c', value: bytes('1') }])
    expect(disk.unsynced).toBe(2)
    return disk.kill()
  }
  const left = async (kept: number) => (await written()).crash(kept).scan('', '~')
  expect((await left(0)).map(({ key }) => key)).toEqual(['a'])
  expect((await left(1)).map(({ key }) => key)).toEqual(['a', 'b'])
  expect((await left(2)).map(({ key }) => key)).toEqual(['b', 'c'])
})

const files = new WeakMap<Disk, string>()
diskConformance(
  'SQLite',
  () => {
    const file = newFile()
    const disk = openSqliteDisk(file)
    files.set(disk, file)
    return disk
  },
  (disk) => {
    // What another process would find: the files as they are now, with no chance for this one to tidy up.
    const file = files.get(disk) ?? ''
    const copy = newFile()
    fs.copyFileSync(file, copy)
    fs.copyFileSync(`${file}-wal`, `${copy}-wal`)
    disk.close()
    return openSqliteDisk(copy)
  },
)

const folders = new WeakMap<Disk, string>()
diskConformance(
  'log',
  () => {
    const own = newFile()
    const disk = openLogDisk(own, { segment_bytes: 64 })
    folders.set(disk, own)
    return disk
  },
  (disk) => {
    const copy = newFile()
    fs.cpSync(folders.get(disk) ?? '', copy, { recursive: true })
    disk.close()
    return openLogDisk(copy, { segment_bytes: 64 })
  },
)

describe('memory disk', () => {
  test('loses in a power cut what was not synced, all else stays', async () => {
    const disk = memoryDisk()
    disk.write([{ put: 'a', value: bytes('1') }])
    await disk.sync()
    disk.write([{ put: 'b', value: bytes('1') }, { delete: 'a' }])
    const after = disk.crash()
    expect(after.get('a')).toEqual(bytes('1'))
    expect(after.get('b')).toBeUndefined()
  })

  test('a sync that the power cut overtakes promised nothing', async () => {
    const disk = memoryDisk()
    disk.write([{ put: 'a', value: bytes('1') }])
    const sync = disk.sync()
    const after = disk.crash()
    await expect(sync).rejects.toSatisfy((error) => isProblem(error, 'closed'))
    expect(after.get('a')).toBeUndefined()
  })
})

describe('SQLite disk', () => {
  test('says by name that a file is of a newer format', () => {
    const file = newFile()
    openSqliteDisk(file).close()
    const database = new DatabaseSync(file)
    database.exec('PRAGMA user_version = 9')
    database.close()
    expect(() => openSqliteDisk(file)).toThrow(/is of format 9; this Hearth knows up to 1/)
  })

  test('does not take over another program’s database, nor a file that is none', () => {
    const other = newFile()
    const database = new DatabaseSync(other)
    database.exec('CREATE TABLE theirs (a)')
    database.close()
    expect(() => openSqliteDisk(other)).toThrow(/not one of Hearth's disks/)
    const text = newFile()
    fs.writeFileSync(text, 'just some text, long enough to be looked at as a header of a database file'.repeat(9))
    expect(() => openSqliteDisk(text)).toThrow(/damaged or not an SQLite database/)
  })

  test('raises `limit` when there is no room, keeps nothing of that write and everything before it', () => {
    const disk = openSqliteDisk(newFile(), { max_bytes: 64 * 1024 })
    disk.write([{ put: 'earlier', value: bytes('1') }])
    let problem: unknown
    try {
      for (let i = 0; i < 100; i++) {
        disk.write([
          { put: `a${i}`, value: new Uint8Array(4096) },
          { put: `b${i}`, value: new Uint8Array(4096) },
        ])
      }
    } catch (error) {
      problem = error
    }
    expect(isProblem(problem, 'limit')).toBe(true)
    const kept = disk.scan('a', 'c').map((entry) => entry.key)
    expect(kept.filter((key) => key.startsWith('a'))).toHaveLength(kept.filter((key) => key.startsWith('b')).length)
    expect(disk.get('earlier')).toEqual(bytes('1'))
    disk.write(disk.scan('a', 'b').map((entry) => ({ delete: entry.key })))
    disk.write([{ put: 'after', value: bytes('1') }])
    expect(disk.get('after')).toEqual(bytes('1'))
    disk.close()
  })

  test('belongs to one opener', () => {
    const file = newFile()
    const disk = openSqliteDisk(file)
    expect(() => openSqliteDisk(file)).toThrow(/another process has .* open/)
    disk.close()
    openSqliteDisk(file).close()
  })

  test('says so when its folder cannot be made', () => {
    const file = newFile()
    fs.writeFileSync(file, '')
    expect(() => openSqliteDisk(path.join(file, 'below.db'))).toThrow(/cannot use/)
  })
})
