import { describe, expect, test } from 'vitest'
import { isProblem } from '../contract/problem.ts'
import type { Disk } from './disk.ts'

/** What every disk promises. `open` gives an empty one; `restart` gives what a new process finds after `kill -9`. */
export function diskConformance(name: string, open: () => Disk, restart: (disk: Disk) => Disk) {
  const bytes = (text: string) => new Uint8Array(Buffer.from(text))
  const text = (value: Uint8Array | undefined) => (value === undefined ? undefined : Buffer.from(value).toString())

  describe(`${name} as a disk`, () => {
    test('gives back what was put, and nothing once it is deleted', () => {
      const disk = open()
      disk.write([{ put: 'a', value: bytes('1') }])
      expect(text(disk.get('a'))).toBe('1')
      disk.write([
        { put: 'a', value: bytes('2') },
        { put: 'b', value: bytes('') },
      ])
      expect(text(disk.get('a'))).toBe('2')
      expect(disk.get('b')).toHaveLength(0)
      disk.write([{ delete: 'a' }, { delete: 'never there' }])
      expect(disk.get('a')).toBeUndefined()
      disk.close()
    })

    test('applies the changes of one write in their order', () => {
      const disk = open()
      disk.write([{ put: 'a', value: bytes('1') }, { delete: 'a' }, { put: 'b', value: bytes('1') }])
      expect(disk.get('a')).toBeUndefined()
      expect(text(disk.get('b'))).toBe('1')
      disk.close()
    })

    test('scans from ≤ key < to, ascending by UTF-8 bytes, up to the limit', () => {
      const disk = open()
      const keys = ['b', 'a/2', 'a/10', 'a/1', 'é', '\u{1f600}', '\uffee']
      disk.write(keys.map((key) => ({ put: key, value: bytes(key) })))
      expect(disk.scan('a/', 'a0').map((entry) => entry.key)).toEqual(['a/1', 'a/10', 'a/2'])
      expect(disk.scan('a/1', 'a/2').map((entry) => entry.key)).toEqual(['a/1', 'a/10'])
      expect(disk.scan('', '\u{10ffff}', 2).map((entry) => entry.key)).toEqual(['a/1', 'a/10'])
      expect(disk.scan('c', '\u{10ffff}').map((entry) => entry.key)).toEqual(['é', '\uffee', '\u{1f600}'])
      expect(disk.scan('x', 'x')).toEqual([])
      disk.close()
    })

    test('keeps everything written when the process ends without a sync', () => {
      const disk = open()
      disk.write([{ put: 'a', value: bytes('1') }])
      const again = restart(disk)
      expect(text(again.get('a'))).toBe('1')
      again.close()
    })

    test('syncs many callers at once, and again while a sync runs', async () => {
      const disk = open()
      disk.write([{ put: 'a', value: bytes('1') }])
      const first = [disk.sync(), disk.sync(), disk.sync()]
      disk.write([{ put: 'b', value: bytes('1') }])
      await Promise.all([...first, disk.sync()])
      disk.close()
    })

    test('does not take a caller’s later change of the bytes for its own', () => {
      const disk = open()
      const value = bytes('good')
      disk.write([{ put: 'a', value }])
      value.fill(0)
      expect(text(disk.get('a'))).toBe('good')
      disk.close()
    })

    test('raises a Problem when it is used after it was closed', async () => {
      const disk = open()
      disk.close()
      expect(() => disk.write([{ put: 'a', value: bytes('1') }])).toThrow()
      await expect(disk.sync()).rejects.toSatisfy((error) => isProblem(error, 'closed'))
    })
  })
}
