/** The HTTP interfaces against requests that schemathesis makes from their own descriptions, good ones and bad ones. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { pythonOf } from '../infra/python.ts'
import { openSystem, type System, until } from './testing/system.ts'

const START_MS = 60_000
/** How long each interface is asked, in seconds; set FUZZ_SECONDS for minutes or hours. */
const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 20)

/** The same requests each time, as far as the time goes; another seed asks others. */
const SEED = process.env['FUZZ_SEED'] ?? '1'

/** Asks one interface; resolves with what was found wrong, and how much was asked. */
async function fuzz(url: string, bearer: string, checks: readonly string[]): Promise<{ code: number; said: string }> {
  const python = await pythonOf('schemathesis')
  // As a module: the script beside it names the folder that it was installed in.
  const words = [
    ...[
      '-m',
      'schemathesis.cli',
      '--config-file',
      join(import.meta.dirname, 'testing/schemathesis.toml'),
      'run',
      url,
      '--header',
      `Authorization: Bearer ${bearer}`,
      '--max-time',
      String(SECONDS),
      '--workers',
      '1',
      '--seed',
      SEED,
    ],
    ...['--checks', checks.join(','), '--suppress-health-check', 'all', '--request-timeout', '20', '--no-color'],
    ...['--warnings', 'off', '--exclude-path-regex', '/live$'],
  ]
  const ran = promisify(execFile)(python, words, {
    maxBuffer: 64 * 1024 * 1024,
    cwd: join(python, '../..'),
  })
  return await ran.then(
    ({ stdout, stderr }) => ({ code: 0, said: stdout + stderr }),
    (error: { code?: number; stdout?: string; stderr?: string }) => {
      return { code: error.code ?? -1, said: `${error.stdout}${error.stderr}` }
    },
  )
}

/** Faults that a process said of its own code. */
const bugsOf = (said: string) => said.split('\n').filter((line) => /"level":"error"|unhandled|FATAL/i.test(line))

async function serve(system: System, ...names: readonly string[]) {
  const started = names.map((name) => system.start([name]))
  for (const running of started) await running.untilSaid(/"event":"ready"/, START_MS)
  return started
}

const CHECKS = [
  ...['not_a_server_error', 'status_code_conformance', 'content_type_conformance', 'response_schema_conformance'],
  ...['negative_data_rejection', 'ignored_auth'],
]

it(
  'the app API answers whatever comes as it says that it does, and goes on',
  async () => {
    await using system = await openSystem()
    const [relay] = await serve(system, 'relay')
    await system.must(['registry', 'add', 'hub-01'])
    const { token } = JSON.parse(await system.must(['registry', 'token', 'create', 'fuzz', '--json']))
    const url = `http://127.0.0.1:${system.ports.app}/v1/openapi.json`
    const { code, said } = await fuzz(url, token, CHECKS)
    expect(code, said).toBe(0)
    expect(said).toMatch(/[1-9]\d* (generated|passed|test cases)/)
    expect(bugsOf(relay?.said() ?? '')).toEqual([])
    expect((await fetch(`http://127.0.0.1:${system.ports.app}/readyz`)).status).toBe(200)
  },
  180_000 + SECONDS * 2_000,
)

it(
  'the dashboards answer whatever comes as they say that they do, and go on',
  async () => {
    await using system = await openSystem()
    const [, , dashboards] = await serve(system, 'ingest', 'relay', 'dashboards')
    const scopes = ['commands', 'observe', 'query'].flatMap((scope) => ['--scope', scope])
    const { token } = JSON.parse(await system.must(['registry', 'token', 'create', 'fuzz', ...scopes, '--json']))
    const headers = { authorization: `Bearer ${token}` }
    const base = `http://127.0.0.1:${system.ports.dashboards}`
    await until('queries are answered', START_MS, async () => (await fetch(`${base}/api/schema`, { headers })).ok)
    const { code, said } = await fuzz(`${base}/api/openapi.json`, token, CHECKS)
    expect(code, said).toBe(0)
    expect(bugsOf(dashboards?.said() ?? '')).toEqual([])
    expect((await fetch(`${base}/api/schema`, { headers })).status).toBe(200)
  },
  180_000 + SECONDS * 2_000,
)
