/** What the store makes of lost answers and refusals: a real server behind a proxy that has bad days. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import type { Clock } from '../contract/clock.ts'
import { seededRandom } from '../contract/clock.ts'
import { isProblem } from '../contract/problem.ts'
import {
  byChance,
  type Fault,
  type FaultProxy,
  inOrder,
  type ProxiedRequest,
  startFaultProxy,
} from '../infra/fault-proxy.ts'
import { type S3Server, startS3 } from '../infra/s3/server.ts'
import { S3_BUILD_LIMIT_MS } from '../infra/s3/versitygw.ts'
import { createLake, openLake } from './lake.ts'
import { RANGE_BYTES, S3_ATTEMPTS_MAX, S3_PART_BYTES, S3_WAIT_MAX_MS } from './limits.ts'
import type { ObjectStore } from './object-store.ts'
import { openS3Store, type S3Options } from './s3-store.ts'

let s3: S3Server
let proxy: FaultProxy
let store: ObjectStore
let prefixes = 0

/** Waits between attempts pass quickly; deadlines are what they are. */
const hurried: Clock = {
  ...machineClock,
  timer: (delay_ms, callback) => machineClock.timer(delay_ms > S3_WAIT_MAX_MS ? delay_ms : delay_ms / 50, callback),
}

beforeAll(async () => {
  s3 = await startS3()
  proxy = await startFaultProxy(s3)
  Object.assign(process.env, s3.environment)
}, S3_BUILD_LIMIT_MS)
afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await s3[Symbol.asyncDispose]()
})
beforeEach(() => {
  proxy.rule = () => undefined
  store = openStore(`prefix-${prefixes++}`)
})

function openStore(prefix: string, more: Partial<S3Options> = {}): ObjectStore {
  const { bucket, region } = s3
  const place = { bucket, prefix, endpoint: proxy.endpoint, region, path_style: true }
  return openS3Store({ ...place, clock: hurried, random: machineRandom, ...more })
}

const bytes = (text: string) => Buffer.from(text)
const is = (method: string) => (request: ProxiedRequest) => request.method === method
const lost: Fault = { kind: 'cut-after' }
const failed: Fault = { kind: 'answer', status: 500, code: 'InternalError' }
const slow: Fault = { kind: 'answer', status: 503, code: 'SlowDown' }
const denied: Fault = { kind: 'answer', status: 403, code: 'AccessDenied' }
const again: Fault = { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' }
const putNew = (path: string, text: string) => store.put(path, bytes(text), { ifAbsent: true })
const text = async (path: string) => Buffer.from(await store.get(path)).toString()

describe('a put that must be absent', () => {
  test.each<[string, Fault]>([
    ['no answer', lost],
    ['a 500', { kind: 'answer-after', status: 500, code: 'InternalError' }],
    ['a 503', { kind: 'answer-after', status: 503, code: 'SlowDown' }],
  ])('that was done, with %s, and then meets its own object is not known, and no conflict', async (_, fault) => {
    proxy.rule = inOrder(is('PUT'), [fault])
    await expect(putNew('a', 'mine')).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
    expect(await text('a')).toBe('mine')
  })

  test.each<[string, Fault]>([
    ['cut', { kind: 'cut-before' }],
    ['500', failed],
    ['503', slow],
    ['409', again],
  ])('is tried again when it was not done: %s', async (_, fault) => {
    proxy.rule = inOrder(is('PUT'), [fault, fault])
    await putNew('a', 'mine')
    expect(await text('a')).toBe('mine')
  })

  test('is a conflict after refusals alone, when another was first', async () => {
    await putNew('a', 'theirs')
    proxy.rule = inOrder(is('PUT'), [again, { kind: 'answer', status: 400, code: 'RequestTimeout' }])
    await expect(putNew('a', 'mine')).rejects.toMatchObject({ kind: 'conflict', outcome: 'did-not-happen' })
  })

  test('did not happen when every attempt was refused, and may have when one was not answered', async () => {
    proxy.rule = (request) => (is('PUT')(request) ? again : undefined)
    await expect(putNew('a', 'x')).rejects.toMatchObject({ kind: 'unavailable', outcome: 'did-not-happen' })
    proxy.rule = inOrder(is('PUT'), [failed, denied])
    await expect(putNew('b', 'x')).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
    proxy.rule = inOrder(is('PUT'), [denied])
    await expect(putNew('c', 'x')).rejects.toMatchObject({ kind: 'unauthorized', outcome: 'did-not-happen' })
  })
})

test('what a server did that stood still is not known, and found by reading when it goes on', async () => {
  const impatient: Clock = { ...machineClock, timer: (ms, callback) => machineClock.timer(ms / 100, callback) }
  const asked = openStore('still', { clock: impatient, endpoint: s3.endpoint })
  await asked.put('before', bytes('x'))
  s3.pause()
  try {
    const put = asked.put('a', bytes('mine'), { ifAbsent: true })
    await expect(put).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
  } finally {
    s3.resume()
  }
  store = openStore('still')
  const again = await putNew('a', 'mine').catch((error: unknown) => error)
  expect(again === undefined || isProblem(again, 'conflict')).toBe(true)
  expect(await text('a')).toBe('mine')
})

describe('what may be done twice', () => {
  test('is done again until it is answered', async () => {
    proxy.rule = inOrder(() => true, [lost, slow, undefined, lost, failed])
    await store.put('a', bytes('x'))
    await store.delete('a')
    proxy.rule = () => undefined
    expect(await store.head('a')).toBeUndefined()
  })

  test('reads all of an object, though half an answer came, or none', async () => {
    const body = machineRandom.bytes(100_000)
    await store.put('a', body)
    proxy.rule = inOrder(is('GET'), [{ kind: 'half' }, lost, { kind: 'cut-before' }])
    expect(Buffer.from(body).equals(await store.get('a'))).toBe(true)
  })

  test('of an object that is replaced while it is read gives one content or none', async () => {
    await store.put('a', new Uint8Array(3 * RANGE_BYTES).fill(1))
    let ranges = 0
    proxy.rule = ({ method }) => {
      if (method !== 'GET' || ++ranges !== 2) return undefined
      return { kind: 'answer', status: 412, code: 'PreconditionFailed' }
    }
    const message = expect.stringContaining('was replaced while it was read')
    await expect(store.get('a')).rejects.toMatchObject({ kind: 'unavailable', message })
    const conditions = proxy.seen.slice(-3).map(({ headers }) => headers['if-match'] !== undefined)
    expect(conditions).toEqual([false, true, true])
  })

  test('reads over a slow line', async () => {
    await store.put('a', bytes('slow'.repeat(1_000)))
    proxy.rule = () => ({ kind: 'throttle', bytes_per_second: 20_000 })
    expect((await store.get('a')).length).toBe(4_000)
  })

  test('gives up after a number of attempts, and says how many; of reading nothing happened', async () => {
    proxy.rule = () => failed
    const problem = { kind: 'unavailable', message: expect.stringContaining(`at ${S3_ATTEMPTS_MAX} attempts`) }
    await expect(store.get('a')).rejects.toMatchObject({ ...problem, outcome: 'did-not-happen' })
    await expect(store.put('a', bytes('x'))).rejects.toMatchObject({ ...problem, outcome: 'unknown' })
    await expect(Array.fromAsync(store.list(''))).rejects.toMatchObject({ ...problem, outcome: 'did-not-happen' })
  })

  test('puts a large file whose completion was done and not answered', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hearth-s3-faults-'))
    try {
      const file = join(folder, 'large')
      const body = Buffer.from(machineRandom.bytes(S3_PART_BYTES + 1_000))
      await writeFile(file, body)
      const completes = ({ method, path }: ProxiedRequest) => method === 'POST' && path.includes('uploadId=')
      proxy.rule = inOrder((request) => completes(request) || is('PUT')(request), [failed, undefined, undefined, lost])
      await store.put('large', { file })
      expect(body.equals(await store.get('large'))).toBe(true)
      // A server that has forgotten the upload that it completed leaves it open.
      proxy.rule = inOrder(completes, [lost, { kind: 'answer', status: 404, code: 'NoSuchUpload' }])
      await expect(store.put('other', { file })).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

test('encryption is asked for with every object, in parts too', async () => {
  proxy.rule = ({ method }) => (method === 'GET' ? undefined : { kind: 'answer', status: 400, code: 'Seen' })
  const encrypted = openStore('encrypted', { sse: 'aws:kms', kms_key: 'key-1' })
  const from = proxy.seen.length
  await expect(encrypted.put('a', bytes('x'))).rejects.toMatchObject({ kind: 'invalid' })
  await expect(encrypted.put('b', new Uint8Array(S3_PART_BYTES + 1))).rejects.toMatchObject({ kind: 'invalid' })
  const asked = proxy.seen.slice(from).map(({ method, headers }) => ({
    ...{ method, sse: headers['x-amz-server-side-encryption'] },
    key: headers['x-amz-server-side-encryption-aws-kms-key-id'],
  }))
  expect(asked).toEqual(['PUT', 'POST'].map((method) => ({ method, sse: 'aws:kms', key: 'key-1' })))
})

/** Reading may fail as well, on a day like this. */
async function untilAnswered<T>(read: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await read()
    } catch (error) {
      if (!isProblem(error, 'unavailable')) throw error
    }
  }
}

test('of racing writers each commit is told as it is, whatever was lost on the way', async () => {
  const seed = 20_261_124
  const { float } = seededRandom(seed)
  const environment = { clock: hurried, random: machineRandom }
  await createLake({ ...environment, store, fleet: 'f', region: 'r', buckets: 1 })
  proxy.rule = byChance(float, [
    [0.08, lost],
    [0.04, failed],
    [0.04, { kind: 'cut-before' }],
    [0.04, { kind: 'half' }],
    [0.02, slow],
    [0.02, { kind: 'answer-after', status: 503, code: 'SlowDown' }],
    [0.02, { kind: 'delay', ms: 30 }],
  ])
  const prefix = `prefix-${prefixes - 1}`
  const committed: string[] = []
  const not: string[] = []

  async function write(writer: number): Promise<void> {
    const lake = await untilAnswered(() => openLake({ ...environment, store: openStore(prefix) }))
    const table = await lake.table('events')
    const appId = `writer-${writer}`
    for (let next = 1; next <= 12; next++) {
      const id = `${appId}-${next}`
      const base = await untilAnswered(() => table.snapshot())
      const add = { path: `part-${id}.parquet`, partitionValues: { event_date: '2026-11-24', bucket: '0' }, size: 1 }
      const expected = base.txns.get(appId)
      try {
        const outcome = await table.commit({
          ...{
            id,
            kind: 'ingest',
            base,
            removes: [],
            info: {},
            txns: [{ appId, expected, next: (expected ?? 0) + 1 }],
          },
          adds: [{ ...add, modificationTime: 0, dataChange: true }],
        })
        ;(outcome.kind === 'committed' ? committed : not).push(id)
      } catch (error) {
        if (!isProblem(error, 'unavailable')) throw error
        const versions = await untilAnswered(() => Array.fromAsync(table.history(0)))
        ;(versions.some(({ info }) => info?.id === id) ? committed : not).push(id)
      }
    }
  }
  await Promise.all([0, 1, 2, 3, 4].map(write))
  const faults = proxy.seen.length
  proxy.rule = () => undefined

  const table = await (await openLake({ ...environment, store: openStore(prefix) })).table('events')
  const history = await Array.fromAsync(table.history(0))
  expect(history.map(({ version }) => version)).toEqual(history.map((_, index) => index))
  const ids = history.slice(1).map(({ info }) => String(info?.id))
  expect(ids.toSorted(), `seed ${seed}, ${faults} requests`).toEqual(committed.toSorted())
  expect([...(await table.snapshot()).files.keys()].toSorted()).toEqual(
    committed.map((id) => `part-${id}.parquet`).toSorted(),
  )
  expect(committed.length + not.length).toBe(60)
  expect(committed.length).toBeGreaterThan(50)
})
