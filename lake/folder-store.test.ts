import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { openFolderStore } from './folder-store.ts'
import { objectStoreConformance } from './object-store.conformance.ts'
import { createSample, requestOn, sampleFile } from './testing/sample.ts'

const folder = await mkdtemp(join(tmpdir(), 'hearth-folder-store-'))
afterAll(() => rm(folder, { recursive: true }))
const fresh = () => mkdtemp(join(folder, 'store-'))

objectStoreConformance('a folder', async () => ({
  store: openFolderStore(join(await fresh(), 'lake')),
  scratch: await fresh(),
}))

describe('a folder store', () => {
  test('leaves nothing beside the objects, whether a put won or lost', async () => {
    const root = await fresh()
    const store = openFolderStore(root)
    await store.put('a', Buffer.from('1'), { ifAbsent: true })
    await expect(store.put('a', Buffer.from('2'), { ifAbsent: true })).rejects.toThrow('exists already')
    await store.put('b', Buffer.from('3'))
    expect(await readdir(root)).toEqual(['a', 'b'])
  })

  test('does not list, nor trip over, what a crash left half done', async () => {
    const root = await fresh()
    await writeFile(join(root, `.tmp-${process.pid}-0`), 'half')
    const store = openFolderStore(root)
    await store.put('a', Buffer.from('whole'))
    expect((await Array.fromAsync(store.list(''))).map(({ path }) => path)).toEqual(['a'])
    expect(await readFile(join(root, `.tmp-${process.pid}-0`), 'utf8')).toBe('half')
  })

  test('does not show what may not survive a power cut: a folder that could not be synced is synced before it is read', async () => {
    const root = await fresh()
    let broken = false
    const store = openFolderStore(root, {
      syncFolder: async () => {
        if (broken) throw new Error('EIO')
      },
    })
    await store.put('log/0', Buffer.from('zero'), { ifAbsent: true })
    broken = true
    const put = store.put('log/1', Buffer.from('one'), { ifAbsent: true })
    await expect(put).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
    await expect(store.get('log/1')).rejects.toMatchObject({ kind: 'unavailable' })
    await expect(store.head('log/1')).rejects.toMatchObject({ kind: 'unavailable' })
    broken = false
    expect(Buffer.from(await store.get('log/1')).toString()).toBe('one')
  })

  test('a commit that is in place and could not be synced is not called committed', async () => {
    let broken = false
    const store = openFolderStore(await fresh(), {
      syncFolder: async () => {
        if (broken) throw new Error('EIO')
      },
    })
    const table = await createSample(store, machineClock)
    const request = await requestOn(table, 'mine', 'ingest', { adds: [sampleFile('f')] })
    broken = true
    await expect(table.commit(request)).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
    broken = false
    expect((await table.snapshot()).version).toBe(1)
  })

  test('a disk that refuses is unavailable, did not happen, and says what to do', async () => {
    const root = await fresh()
    const store = openFolderStore(join(root, 'lake'))
    await writeFile(join(root, 'lake'), 'a file where the folder should be')
    const put = store.put('a/b', Buffer.from('x'))
    await expect(put).rejects.toMatchObject({ kind: 'unavailable', outcome: 'did-not-happen' })
  })

  test.skipIf(process.getuid?.() === 0)('a folder that may not be written says so', async () => {
    const root = await fresh()
    await chmod(root, 0o500)
    const put = openFolderStore(root).put('a', Buffer.from('x'))
    await expect(put).rejects.toMatchObject({ kind: 'unavailable', outcome: 'did-not-happen' })
    await expect(put).rejects.toThrow('cannot be written by this user')
  })
})
