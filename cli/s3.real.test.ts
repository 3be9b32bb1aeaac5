/** The whole system on a lake in S3: a real server, which is killed, refuses, lies and loses things. */
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type FaultProxy, startFaultProxy } from '../infra/fault-proxy.ts'
import { type S3Server, startS3 } from '../infra/s3/server.ts'
import { S3_BUILD_LIMIT_MS } from '../infra/s3/versitygw.ts'
import { openSystem, type System, until } from './testing/system.ts'

const LIMIT_MS = 90_000
let s3: S3Server

beforeAll(async () => {
  s3 = await startS3()
}, S3_BUILD_LIMIT_MS)
afterAll(() => s3[Symbol.asyncDispose]())

function openOnS3(prefix: string, more: NodeJS.ProcessEnv = {}): Promise<System> {
  return openSystem({
    ...s3.environment,
    AWS_EC2_METADATA_DISABLED: 'true',
    HEARTH_LAKE_URL: `s3://${s3.bucket}/${prefix}`,
    HEARTH_S3_ENDPOINT: s3.endpoint,
    HEARTH_S3_PATH_STYLE: 'true',
    HEARTH_INGEST_FRESHNESS_MS: '500',
    ...more,
  })
}

/** Data files of the table events, as the server keeps them. */
const dataFiles = (prefix: string) => globSync(join(s3.folder, s3.bucket, prefix, 'events', '**', 'part-*.parquet'))
const said = ({ stdout, stderr }: { stdout: string; stderr: string }) => `${stdout}${stderr}`

describe('hearth on a lake in S3', () => {
  let system: System
  beforeAll(async () => {
    system = await openOnS3('fleets/demo')
  })
  afterAll(() => system[Symbol.asyncDispose]())

  test('does all that it does on a folder, and goes on when the server was killed', { timeout: 300_000 }, async () => {
    const tree = system.start(['up', '--demo', '--hubs', '2', '--days', '1'])
    const [, link = ''] = await tree.untilSaid(/Hearth is ready: (\S+)/, LIMIT_MS)
    await system.must(['send', 'demo-01', 'kitchen-lamp', 'powered=1'])
    await until('the metrics of the history are made', LIMIT_MS, async () => {
      const { stdout } = await system.run(['sql', '--csv', 'select count(*) > 24 from hub_hours'])
      return stdout.includes('true')
    })
    const page = await fetch(link, { redirect: 'manual' })
    expect(page.status).toBeLessThan(400)

    await s3.kill()
    const asked = await system.run(['sql', 'select count(*) from events'])
    expect(asked.code).toBe(1)
    expect(asked.stderr).toContain(`${s3.endpoint} cannot be reached`)
    // Commands do not pass through the lake, and what they tell waits in the log.
    await system.must(['send', 'demo-01', 'kitchen-lamp', 'powered=0'])
    await s3.restart()
    await until('both commands are in the lake', LIMIT_MS, async () => {
      const [[done = '0'] = []] = await system.csv(
        `select count(distinct command_id) from command_stages where stage = 'done' and event_time > now() - interval 5 minute`,
      )
      return Number(done) >= 2
    })
    let findings = ''
    await until('the doctor finds nothing bad', LIMIT_MS, async () => {
      const { code, stdout } = await system.run(['doctor'])
      findings = stdout
      return code === 0
    })
    expect(findings).toMatch(/ok +lake store +s3:\/\/lake\/fleets\/demo answers, and keeps writers apart/)
    expect(findings).toMatch(/ok +store clock/)
    expect(findings).toMatch(/ok +lake +\S+, fleet demo/)

    process.kill(-tree.pid, 'SIGINT')
    expect(await tree.ended).toEqual({ code: 0, signal: null })
    expect((await system.run(['verify'])).code).toBe(0)
    expect(existsSync(join(system.home, 'lake'))).toBe(false)
    for (const words of [
      ['lake', 'tables'],
      ['jobs', 'status'],
      ['jobs', 'plan'],
      ['deadletters', 'list'],
    ])
      await system.must(words)
    expect(await system.must(['lake', 'doctor'])).toMatch(/ok +dead letters +none of the last day/)
  })

  test('reads each data file over the network once', async () => {
    const cost = async () => JSON.parse(await system.must(['sql', '--json', 'select count(*) from events'])).statistics
    await cost()
    expect(await cost()).toMatchObject({ fetched_bytes: 0, files: (await cost()).cached_files })
  })

  test('refuses the lake of another fleet at the same place', async () => {
    const other = await openOnS3('fleets/demo', { HEARTH_FLEET: 'other' })
    try {
      const { code, stderr } = await other.run(['up'])
      expect(code).toBe(1)
      expect(stderr).toContain('holds the lake of fleet demo in region local, not of other')
    } finally {
      await other[Symbol.asyncDispose]()
    }
  })

  test.each([
    ['fleets/demo/inner', 's3://lake/fleets/demo/inner lies inside of the lake at s3://lake/fleets/demo'],
    ['fleets', 's3://lake/fleets has another lake inside of it, demo'],
  ])('refuses a lake at %s, which is not apart from this one', async (prefix, message) => {
    const other = await openOnS3(prefix)
    try {
      const { code, stderr } = await other.run(['up'])
      expect(code).toBe(1)
      expect(stderr).toContain(message)
    } finally {
      await other[Symbol.asyncDispose]()
    }
  })

  test('names a data file that is not what was written, and its table', async () => {
    const [cut = '', torn = '', gone = ''] = dataFiles('fleets/demo')
    const nameOf = (path: string) => path.slice(path.indexOf('/events/') + 1)
    const ask = async () => {
      await rm(join(system.home, 'cache'), { recursive: true, force: true })
      return await system.run(['sql', 'select count(value), max(text), min(extra) from events'])
    }
    for (const path of [cut, torn]) {
      const bytes = readFileSync(path)
      if (path === cut) truncateSync(path, bytes.length - 1)
      else writeFileSync(path, Buffer.from(bytes).fill(0x55, 4, bytes.length - 8))
      const message = `${nameOf(path)}.* its bytes are not those that were put: restore it`
      expect(said(await ask())).toMatch(new RegExp(message))
      writeFileSync(path, bytes)
    }
    await rename(gone, `${gone}.away`)
    expect(said(await ask())).toContain(`the data file ${nameOf(gone)} is no longer in s3://lake/fleets/demo`)
    await rename(`${gone}.away`, gone)
    expect((await ask()).code).toBe(0)
  })
})

test('a command on a lake in a folder does not load the SDK', () => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    const { lakeStore } = await import('./cli/lake-store.ts')
    const { configSchema } = await import('./cli/config.ts')
    await lakeStore({ home: '/nowhere', config: configSchema.parse({}) }).head('a')
    console.log(loaded.filter((url) => url.includes('lake/s3-store')).length, loaded.filter((url) => url.includes('@aws-sdk')).length)`
  const words = ['--input-type=module', '-e', script]
  const cwd = join(import.meta.dirname, '..')
  expect(execFileSync(process.execPath, words, { cwd, encoding: 'utf8' })).toBe('1 0\n')
})

describe('a bad day in S3 is told with what to do', () => {
  let proxy: FaultProxy
  beforeAll(async () => {
    proxy = await startFaultProxy(s3)
  })
  afterAll(() => proxy[Symbol.asyncDispose]())

  test.each<[string, () => NodeJS.ProcessEnv, RegExp]>([
    [
      'no credentials',
      () => ({ AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' }),
      /no credentials for S3 were found.*AWS_ACCESS_KEY_ID/,
    ],
    [
      'an unknown key',
      () => ({ AWS_ACCESS_KEY_ID: 'nobody' }),
      /InvalidAccessKeyId|No user exists with the provided access key/,
    ],
    ['a wrong secret', () => ({ AWS_SECRET_ACCESS_KEY: 'wrong' }), /the credentials are wrong.*SignatureDoesNotMatch/],
    [
      'no bucket',
      () => ({ HEARTH_LAKE_URL: 's3://nowhere/lake' }),
      /there is no bucket nowhere: make it, or correct lake.url/,
    ],
    [
      'no server',
      () => ({ HEARTH_S3_ENDPOINT: 'http://127.0.0.1:1' }),
      /http:\/\/127.0.0.1:1 cannot be reached.*s3.endpoint/,
    ],
    ['another region', () => ({ HEARTH_S3_REGION: 'eu-west-1' }), /correct s3.region/],
    [
      'https to an http port',
      () => ({ HEARTH_S3_ENDPOINT: s3.endpoint.replace('http:', 'https:') }),
      /no TLS connection.*https or http/,
    ],
  ])('%s', async (_, settings, message) => {
    const system = await openOnS3('bad/day', settings())
    try {
      for (const words of [['up'], ['lake', 'info'], ['doctor']]) {
        const result = await system.run(words)
        expect(result.code, words.join(' ')).not.toBe(0)
        expect(said(result), words.join(' ')).toMatch(message)
      }
    } finally {
      await system[Symbol.asyncDispose]()
    }
  })

  test('a server that ignores If-None-Match gets no lake, and the doctor says so', async () => {
    const conditional = (headers: object) => 'if-none-match' in headers
    proxy.rule = ({ headers }) => (conditional(headers) ? { kind: 'answer-after', status: 200 } : undefined)
    const system = await openOnS3('careless', { HEARTH_S3_ENDPOINT: proxy.endpoint })
    try {
      for (const words of [['up'], ['doctor']]) {
        const result = await system.run(words)
        expect(result.code).not.toBe(0)
        expect(said(result)).toMatch(/overwrites objects that were to be put only if absent.*docs\/s3.md/)
      }
      expect(existsSync(join(s3.folder, s3.bucket, 'careless', '_hearth', 'lake.json'))).toBe(false)
    } finally {
      proxy.rule = () => undefined
      await system[Symbol.asyncDispose]()
    }
  })

  test('access denied names the rights, and a page of something else is not taken for S3', async () => {
    const system = await openOnS3('denied', { HEARTH_S3_ENDPOINT: proxy.endpoint })
    try {
      proxy.rule = () => ({ kind: 'answer', status: 403, code: 'AccessDenied' })
      expect((await system.run(['lake', 'info'])).stderr).toMatch(
        /access to lake was denied: the credentials need s3:ListBucket/,
      )
      proxy.rule = () => ({ kind: 'answer', status: 404, body: '<html>not here</html>' })
      expect((await system.run(['lake', 'info'])).stderr).toMatch(/does not answer as S3 does.*s3.endpoint/)
      proxy.rule = () => ({ kind: 'answer', status: 403, code: 'RequestTimeTooSkewed' })
      expect((await system.run(['lake', 'info'])).stderr).toMatch(/the clock of this machine is more than 15 minutes/)
    } finally {
      proxy.rule = () => undefined
      await system[Symbol.asyncDispose]()
    }
  })
})
