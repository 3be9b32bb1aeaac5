import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ObjectStore } from './object-store.ts'

/** What every ObjectStore promises. `open` gives an empty one; `scratch` a local folder for bodies that are files. */
export function objectStoreConformance(
  name: string,
  open: () => Promise<{ readonly store: ObjectStore; readonly scratch: string }>,
): void {
  describe(`${name} as an object store`, () => {
    let store: ObjectStore
    let scratch: string
    beforeEach(async () => {
      ;({ store, scratch } = await open())
    })
    const bytes = (text: string) => Buffer.from(text)
    const text = async (path: string, range?: { start: number; end: number }) =>
      Buffer.from(await store.get(path, range)).toString()
    const listed = async (prefix: string, startAfter?: string) =>
      (await Array.fromAsync(store.list(prefix, startAfter === undefined ? {} : { startAfter }))).map(
        ({ path }) => path,
      )

    test('gives back what was put, and its size', async () => {
      await store.put('a/b.txt', bytes('hello'))
      expect(await text('a/b.txt')).toBe('hello')
      expect(await store.head('a/b.txt')).toMatchObject({ path: 'a/b.txt', size_bytes: 5 })
      expect((await store.head('a/b.txt'))?.modified_ms).toBeGreaterThan(1e12)
    })

    test('puts a local file, and keeps it when the file is deleted', async () => {
      const file = join(scratch, 'body')
      await writeFile(file, 'from a file')
      await store.put('x/y', { file })
      await writeFile(join(scratch, 'other'), 'z')
      expect(await text('x/y')).toBe('from a file')
      expect(await listed('')).toEqual(['x/y'])
    })

    test('an empty object is an object', async () => {
      await store.put('empty', new Uint8Array())
      expect(await store.head('empty')).toMatchObject({ size_bytes: 0 })
      expect(await text('empty')).toBe('')
      expect(await text('empty', { start: 0, end: 10 })).toBe('')
    })

    test('replaces, unless it must be absent', async () => {
      await store.put('a', bytes('one'))
      await store.put('a', bytes('two'))
      expect(await text('a')).toBe('two')
      const refused = store.put('a', bytes('three'), { ifAbsent: true })
      await expect(refused).rejects.toMatchObject({ kind: 'conflict', outcome: 'did-not-happen' })
      expect(await text('a')).toBe('two')
    })

    test('of concurrent puts that must be absent exactly one wins, and its bytes are there whole', async () => {
      for (let round = 0; round < 10; round++) {
        const bodies = Array.from({ length: 8 }, (_, i) => String(i).repeat(10_000 + i))
        const puts = await Promise.allSettled(
          bodies.map((body) => store.put(`race/${round}`, bytes(body), { ifAbsent: true })),
        )
        const winners = puts.flatMap((put, i) => (put.status === 'fulfilled' ? [i] : []))
        expect(winners).toHaveLength(1)
        expect(await text(`race/${round}`)).toBe(bodies[winners[0] ?? 0])
      }
      expect(await listed('race')).toHaveLength(10)
    })

    test('reads ranges, to the end when they reach past it', async () => {
      await store.put('r', bytes('0123456789'))
      await fc.assert(
        fc.asyncProperty(fc.nat(15), fc.nat(15), async (start, length) => {
          expect(await text('r', { start, end: start + length })).toBe('0123456789'.slice(start, start + length))
        }),
        { numRuns: 40 },
      )
    })

    test('says that an absent object is missing, and deletes it all the same', async () => {
      await expect(store.get('nothing')).rejects.toMatchObject({ kind: 'missing' })
      await expect(store.get('nothing/below')).rejects.toMatchObject({ kind: 'missing' })
      expect(await store.head('nothing')).toBeUndefined()
      await store.delete('nothing')
      await store.put('a', bytes('1'))
      await store.delete('a')
      expect(await store.head('a')).toBeUndefined()
    })

    test('lists whole path parts, in the order of whole paths, after a path', async () => {
      // `-` and `.` sort before `/`, `0` after it: an order by folder would differ.
      const paths = ['t/a', 't/a-b', 't/a.json', 't/a0', 't/b/c/d', 't/b/c-d', 't/b.x', 't2/a', 'u']
      for (const path of paths.filter((path) => path !== 't/a')) await store.put(path, bytes(path))
      await store.put('t/a.d/e', bytes('deep'))
      const all = [...paths.filter((path) => path !== 't/a'), 't/a.d/e'].sort()
      expect(await listed('')).toEqual(all)
      expect(await listed('t')).toEqual(all.filter((path) => path.startsWith('t/')))
      expect(await listed('t/')).toEqual(all.filter((path) => path.startsWith('t/')))
      expect(await listed('t/b')).toEqual(['t/b/c-d', 't/b/c/d'])
      expect(await listed('absent')).toEqual([])
      for (const after of [...all, 't/b', 't/b/c', 'a', 'z', 't/\uffff']) {
        expect(await listed('', after), after).toEqual(all.filter((path) => path > after))
      }
    })

    test.each([
      '',
      '/a',
      'a/',
      'a//b',
      '../a',
      'a/../b',
      'a/./b',
      '.',
      'a\\b',
      'a\nb',
      'a\0b',
      'a/.tmp-1',
      'x'.repeat(1025),
    ])('refuses the path %j', async (path) => {
      await expect(store.put(path, bytes('x'))).rejects.toMatchObject({ kind: 'invalid' })
      await expect(store.get(path)).rejects.toMatchObject({ kind: 'invalid' })
      await expect(store.head(path)).rejects.toMatchObject({ kind: 'invalid' })
      await expect(store.delete(path)).rejects.toMatchObject({ kind: 'invalid' })
    })
  })
}
