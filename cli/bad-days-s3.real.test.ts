/** Bad days of S3 while ingest runs: hubs are answered all the while, and the writer goes on by itself afterwards. */
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type FaultProxy, startFaultProxy } from '../infra/fault-proxy.ts'
import { type S3Server, startS3 } from '../infra/s3/server.ts'
import { S3_BUILD_LIMIT_MS } from '../infra/s3/versitygw.ts'
import { clockAhead, reasonsOf } from './testing/bad-day.ts'
import { openSystem, type System } from './testing/system.ts'
import { type UnderLoad, underLoad } from './testing/under-load.ts'

const LIMIT_MS = 90_000
let s3: S3Server
let proxy: FaultProxy
let folder: string
let lakes = 0

beforeAll(async () => {
  s3 = await startS3()
  proxy = await startFaultProxy(s3)
}, S3_BUILD_LIMIT_MS)
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-bad-day-'))
  return () => rmSync(folder, { recursive: true, force: true })
})
afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await s3[Symbol.asyncDispose]()
})

/** A lake of its own behind the proxy, under load. */
async function withHubs(
  settings: NodeJS.ProcessEnv,
  day: (parts: UnderLoad & { readonly system: System }) => Promise<void>,
): Promise<void> {
  await using system = await openSystem({
    ...s3.environment,
    ...{ AWS_EC2_METADATA_DISABLED: 'true', HEARTH_LAKE_URL: `s3://${s3.bucket}/${lakes++}` },
    ...{ HEARTH_S3_ENDPOINT: proxy.endpoint, HEARTH_S3_PATH_STYLE: 'true', HEARTH_INGEST_FRESHNESS_MS: '300' },
    ...settings,
  })
  await underLoad(system, { folder, limit_ms: LIMIT_MS }, (parts) => day({ ...parts, system }))
}

test.each<[string, () => Promise<() => void>, RegExp]>([
  [
    'access is denied',
    async () => {
      proxy.rule = () => ({ kind: 'answer', status: 403, code: 'AccessDenied' })
      return () => (proxy.rule = () => undefined)
    },
    /the writer tries again in \d+ ms: .*access to lake was denied: the credentials need s3:ListBucket/,
  ],
  [
    'the bucket is gone',
    async () => {
      const bucket = join(s3.folder, s3.bucket)
      // A put that is under way would make the bucket's folder again.
      await s3.kill()
      renameSync(bucket, `${s3.folder}.away`)
      await s3.restart()
      return () => renameSync(`${s3.folder}.away`, bucket)
    },
    /the writer tries again in \d+ ms: .*there is no bucket lake: make it, or correct lake.url/,
  ],
  [
    'the server takes the clock for wrong',
    async () => {
      proxy.rule = () => ({ kind: 'answer', status: 403, code: 'RequestTimeTooSkewed' })
      return () => (proxy.rule = () => undefined)
    },
    /the writer tries again in \d+ ms: .*the clock of this machine is more than 15 minutes/,
  ],
])('%s: hubs are answered meanwhile, the reason is told, and nothing is lost', async (_, begin, reason) => {
  await withHubs({}, async ({ system, ingest, acknowledged }) => {
    const mend = await begin()
    try {
      await ingest.untilSaid(reason, LIMIT_MS)
      await acknowledged()
      expect(await reasonsOf(system, 'ingest')).toEqual([])
      expect((await system.run(['doctor'])).code).toBe(1)
    } finally {
      mend()
    }
    await acknowledged()
  })
})

test('a machine whose clock is twenty minutes ahead signs by the time of the server, and the doctor tells', async () => {
  await withHubs({ NODE_OPTIONS: clockAhead(20 * 60_000) }, async ({ system }) => {
    const { stdout } = await system.run(['doctor'])
    expect(stdout).toMatch(/store clock .*(ahead|behind)/)
  })
})
