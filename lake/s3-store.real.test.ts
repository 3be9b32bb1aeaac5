import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { type S3Server, startS3 } from '../infra/s3/server.ts'
import { S3_BUILD_LIMIT_MS } from '../infra/s3/versitygw.ts'
import { RANGE_BYTES, S3_PART_BYTES } from './limits.ts'
import { objectStoreConformance } from './object-store.conformance.ts'
import type { ObjectStore } from './object-store.ts'
import { openS3Store } from './s3-store.ts'
import { probeStore } from './store-probe.ts'

let s3: S3Server
let scratch: string
let prefixes = 0

beforeAll(async () => {
  s3 = await startS3()
  Object.assign(process.env, s3.environment)
  scratch = await mkdtemp(join(tmpdir(), 'hearth-s3-store-'))
}, S3_BUILD_LIMIT_MS)
afterAll(async () => {
  await s3[Symbol.asyncDispose]()
  await rm(scratch, { recursive: true })
})

function openStore(prefix = `prefix-${prefixes++}/lake`): ObjectStore {
  const { bucket, endpoint, region } = s3
  return openS3Store({ bucket, prefix, endpoint, region, path_style: true, clock: machineClock, random: machineRandom })
}

objectStoreConformance('an S3 bucket', async () => ({ store: openStore(), scratch }))

describe('an S3 store', () => {
  test('keeps a large file whole that goes up in parts, and reads it in ranges', async () => {
    const store = openStore()
    const body = Buffer.from(machineRandom.bytes(2 * S3_PART_BYTES + 12_345))
    const file = join(scratch, 'large')
    await writeFile(file, body)
    await store.put('large', { file })
    expect((await store.head('large'))?.size_bytes).toBe(body.length)
    expect(body.equals(await store.get('large'))).toBe(true)
    const [start, end] = [RANGE_BYTES - 5, 3 * RANGE_BYTES + 7]
    expect(body.subarray(start, end).equals(await store.get('large', { start, end }))).toBe(true)
  })

  test('of large files that must be absent exactly one wins, and the others leave no parts behind', async () => {
    const store = openStore()
    const bodies = Array.from({ length: 3 }, (_, i) => Buffer.alloc(S3_PART_BYTES + 1, i))
    const puts = await Promise.allSettled(bodies.map((body) => store.put('raced', body, { ifAbsent: true })))
    const winners = puts.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []))
    expect(winners).toHaveLength(1)
    expect(bodies[winners[0] ?? 0]?.equals(await store.get('raced'))).toBe(true)
    for (const put of puts) {
      if (put.status === 'rejected') expect(put.reason).toMatchObject({ kind: 'conflict', outcome: 'did-not-happen' })
    }
  })

  test('does not list the mark of a folder, which others leave', async () => {
    const store = openStore('marked')
    await store.put('folder/object', Buffer.from('x'))
    const { bucket, endpoint, region } = s3
    const client = new S3Client({ endpoint, region, forcePathStyle: true })
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'marked/empty/' }))
    expect((await Array.fromAsync(store.list(''))).map(({ path }) => path)).toEqual(['folder/object'])
  })

  test('lists past one page, in order', async () => {
    const store = openStore()
    const paths = Array.from({ length: 1_203 }, (_, i) => `many/${String(i).padStart(5, '0')}`)
    for (let i = 0; i < paths.length; i += 50) {
      await Promise.all(paths.slice(i, i + 50).map((path) => store.put(path, Buffer.from('x'))))
    }
    expect((await Array.fromAsync(store.list('many'))).map(({ path }) => path)).toEqual(paths)
    const after = await Array.fromAsync(store.list('', { startAfter: paths[1_100] ?? '' }))
    expect(after.map(({ path }) => path)).toEqual(paths.slice(1_101))
  })

  test('keeps to its prefix', async () => {
    const [one, other] = [openStore('a/b'), openStore('a/bc')]
    await one.put('x', Buffer.from('one'))
    await other.put('y', Buffer.from('other'))
    expect((await Array.fromAsync(one.list(''))).map(({ path }) => path)).toEqual(['x'])
    expect(await one.head('y')).toBeUndefined()
  })

  test('of a bucket that is gone says so, and never that an object is missing', async () => {
    const store = openStore()
    await store.put('a', Buffer.from('x'))
    const bucket = join(s3.folder, s3.bucket)
    await rename(bucket, `${bucket}-away`)
    try {
      const calls = [
        () => store.get('a'),
        () => store.head('a'),
        () => store.put('b', Buffer.from('x'), { ifAbsent: true }),
        () => Array.fromAsync(store.list('')),
      ]
      for (const call of calls) {
        const message = expect.stringContaining('there is no bucket lake: make it')
        await expect(call()).rejects.toMatchObject({ kind: 'unavailable', outcome: 'did-not-happen', message })
      }
    } finally {
      await rename(`${bucket}-away`, bucket)
    }
    expect(await store.head('a')).toBeDefined()
  })

  test('signs by the time of the server when the clock of this machine is an hour wrong', async () => {
    const store = openStore()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 })
    try {
      await store.put('a', Buffer.from('x'), { ifAbsent: true })
      const { ahead_ms } = await probeStore(store, { clock: machineClock, random: machineRandom })
      expect(Math.round(ahead_ms / 60_000)).toBe(-60)
    } finally {
      vi.useRealTimers()
    }
  })

  test('goes on where the server was killed and started again', async () => {
    const store = openStore()
    await store.put('kept', Buffer.from('kept'))
    const restarted = s3.restart()
    await store.put('later', Buffer.from('later'))
    await restarted
    expect((await Array.fromAsync(store.list(''))).map(({ path }) => path)).toEqual(['kept', 'later'])
  })
})
