import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isProblem, Problem } from '../contract/problem.ts'
import { PEER_FRAME_MAX_BYTES } from './limits.ts'
import { frameOf, frameReader, problemFrame, problemOf } from './peer-frame.ts'

test('frames come out whole and in order, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue(), { maxLength: 8 }),
      fc.array(fc.nat(400), { maxLength: 40 }),
      (values, cuts) => {
        const bytes = Buffer.concat(values.map(frameOf))
        const read = frameReader()
        const found: unknown[] = []
        let from = 0
        for (const cut of [...cuts, bytes.length]) {
          found.push(...read(bytes.subarray(from, from + cut)))
          from = Math.min(bytes.length, from + cut)
        }
        expect(found).toEqual(values.map((value) => JSON.parse(JSON.stringify(value))))
      },
    ),
  )
})

test('bytes that are no frames are refused by name, or wait for the rest', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
      const read = frameReader()
      try {
        for (const chunk of chunks) read(Buffer.from(chunk))
      } catch (error) {
        expect(isProblem(error, 'invalid')).toBe(true)
      }
    }),
  )
  expect(() => frameReader()(Buffer.from([0, 0, 0, 0]))).toThrow(/a frame of 0 bytes: expected 1 to/)
  expect(() => frameReader()(Buffer.from([0, 0, 0, 1, 0x7b]))).toThrow(/not JSON/)
})

test('a frame is bounded, of ours and of others', () => {
  expect(() => frameOf('x'.repeat(PEER_FRAME_MAX_BYTES))).toThrow(/bytes are too many for another relay/)
  const long = Buffer.alloc(4)
  long.writeUInt32BE(PEER_FRAME_MAX_BYTES + 1)
  expect(() => frameReader()(long)).toThrow(/expected 1 to/)
})

test('a problem is the same on the other side, when to ask again too', () => {
  const found = new Problem('limit', 'too many', { outcome: 'unknown', cause: { retry_after_ms: 1_500 } })
  expect(problemOf(problemFrame(found))).toMatchObject({
    ...{ kind: 'limit', outcome: 'unknown', message: 'too many', cause: { retry_after_ms: 1_500 } },
  })
  expect(problemOf(problemFrame(new Problem('closed', 'going'))).cause).toBeUndefined()
})
