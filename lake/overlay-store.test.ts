import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { openFolderStore } from './folder-store.ts'
import { createLake, openLake } from './lake.ts'
import { openMemoryStore } from './memory-store.ts'
import { objectStoreConformance } from './object-store.conformance.ts'
import { overlayStore } from './overlay-store.ts'

const scratch = await mkdtemp(join(tmpdir(), 'hearth-overlay-store-'))
afterAll(() => rm(scratch, { recursive: true }))
const memory = () => openMemoryStore({ clock: new ManualClock() })

objectStoreConformance('an overlay', async () => ({ store: overlayStore(memory(), memory()), scratch }))

describe('an overlay', () => {
  test('shows the base and what was put over it, and leaves the base alone', async () => {
    const base = memory()
    for (const path of ['a/1', 'a/3', 'b/1']) await base.put(path, Buffer.from('base'))
    const store = overlayStore(base, memory())
    for (const path of ['a/2', 'a/3', 'c']) await store.put(path, Buffer.from('top'))
    const paths = (await Array.fromAsync(store.list(''))).map(({ path }) => path)
    expect(paths).toEqual(['a/1', 'a/2', 'a/3', 'b/1', 'c'])
    expect(Buffer.from(await store.get('a/3')).toString()).toBe('top')
    expect(Buffer.from(await store.get('b/1')).toString()).toBe('base')
    await expect(store.put('a/1', Buffer.from('x'), { ifAbsent: true })).rejects.toMatchObject({ kind: 'conflict' })
    expect((await Array.fromAsync(base.list(''))).map(({ path }) => path)).toEqual(['a/1', 'a/3', 'b/1'])
    expect(Buffer.from(await base.get('a/3')).toString()).toBe('base')
  })

  test('names the layer that a local file is in', async () => {
    const [under, over] = [join(scratch, 'under'), join(scratch, 'over')]
    const store = overlayStore(openFolderStore(under), openFolderStore(over))
    await store.put('new', Buffer.from('1'))
    expect(store.localPath?.('new')).toBe(join(over, 'new'))
    expect(store.localPath?.('old')).toBe(join(under, 'old'))
  })

  test('a table that was committed to does not see what the base commits after', async () => {
    const environment = {
      clock: new ManualClock(),
      random: seededRandom(1),
      fleet: 'test',
      region: 'local',
      buckets: 1,
    }
    const base = memory()
    const real = await createLake({ ...environment, store: base })
    const tried = await openLake({ ...environment, store: overlayStore(base, memory()) })
    const columns = (name: string) => ({
      columns: [{ name, type: 'string', meaning: 'a text' } as const],
      partition: [],
    })
    await real.createTable('t', columns('a'))
    await tried.ensureTable('t', columns('b'))
    await real.ensureTable('t', columns('c'))
    await real.ensureTable('t', columns('d'))
    const names = async (lake: typeof real) =>
      (await (await lake.table('t')).snapshot()).columns.map(({ name }) => name)
    expect(await names(tried)).toEqual(['a', 'b'])
    expect(await names(real)).toEqual(['a', 'c', 'd'])
    const again = await openLake({ ...environment, store: overlayStore(base, memory()) })
    expect(await names(again)).toEqual(['a', 'c', 'd'])
  })
})
