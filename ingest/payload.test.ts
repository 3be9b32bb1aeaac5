import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codecOf } from '../contract/batch.ts'
import { seededRandom } from '../contract/clock.ts'
import { BATCH_PLAIN_MAX_BYTES } from '../contract/limits.ts'
import { inflate, readClaim, readPayload } from './payload.ts'
import { batchOf } from './testing/batch.ts'

/** Around every size at which another way is taken: the least chunk, at once or not, one turn or several. */
const SIZES = [0, 1, 100, 1_023, 1_025, 16_384, 60_000, 131_072, 131_073, 300_000]

describe.each([
  ['zstd', zstdCompressSync],
  ['gzip', gzipSync],
] as const)('what %s packed', (codec, pack) => {
  const kinds = {
    'a thousand times': (size: number) => Buffer.alloc(size, '{"m":1}\n'),
    'not at all': (size: number) => Buffer.from(seededRandom(size).bytes(size)),
  }
  test.each(Object.entries(kinds))('%s is unpacked as it was, whatever its size', async (_, make) => {
    for (const size of SIZES) {
      const plain = make(size)
      const packed = pack(plain)
      expect(codecOf(packed)).toBe(codec)
      expect((await inflate(packed, codec)).equals(plain), `${size} bytes`).toBe(true)
    }
  })

  test('is refused past the limit', async () => {
    const bomb = pack(Buffer.alloc(BATCH_PLAIN_MAX_BYTES + 1))
    await expect(inflate(bomb, codec)).rejects.toMatchObject({ kind: 'invalid' })
  })
})

test('counts lines of any length, wherever they begin in memory', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme', maxLength: 9 }), { minLength: 1, maxLength: 40 }),
      fc.nat(7),
      (texts, at) => {
        const lines = texts.map((text) => text.replaceAll('\n', ' '))
        const batch = batchOf(lines)
        const held = Buffer.concat([Buffer.alloc(at), batch])
        expect(readPayload(held.subarray(at)).header.count).toBe(lines.length)
        const short = batchOf(lines, { count: lines.length + 1, next: 100 })
        expect(() => readPayload(short)).toThrow(`but ${lines.length} event lines follow it`)
      },
    ),
  )
})

test('a refused batch claims the numbers that it names, up to the last that counts exactly, and none past it', async () => {
  const last = Number.MAX_SAFE_INTEGER - 1
  const claimOf = (first: number, count: number) => readClaim(batchOf([], { first, count, crc: 'none' }), 'plain')
  expect(await claimOf(last, 1)).toMatchObject({ first: last, next: Number.MAX_SAFE_INTEGER })
  for (const [first, count] of [[last, 2] as const, [last + 1, 1] as const, [last + 1, 2] as const]) {
    expect(await claimOf(first, count)).toBeUndefined()
  }
})
