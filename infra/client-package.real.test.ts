/** The client as an app developer gets it: from the packed package, in projects of their own, by the words of docs/client.md. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSystem, type System, until } from '../cli/testing/system.ts'

const root = join(import.meta.dirname, '..')
/** What docs/client.md and the decision promise. */
const BUNDLE_MAX_BYTES = 6_000
const LIMIT_MS = 60_000
const folder = mkdtempSync(join(tmpdir(), 'hearth-client-package-'))
const examples = new Map(
  [...readFileSync(join(root, 'docs/client.md'), 'utf8').matchAll(/^```ts\n\/\/ (\S+)\n([\s\S]*?)^```/gm)].map(
    ([, name = '', code = '']) => [name, code],
  ),
)

beforeAll(() => {
  // As it is packed (package.real.test.ts looks at that), and nothing of what it depends on: the client needs none of it.
  const place = join(folder, 'node_modules/@hearthlake/hearth')
  mkdirSync(place, { recursive: true })
  execFileSync(process.execPath, ['infra/pack.ts', join(place, 'dist')], { cwd: root })
  cpSync(join(root, 'package.json'), join(place, 'package.json'))
  mkdirSync(join(folder, 'node_modules/@types'))
  for (const name of ['@types/node', '@types/ws', 'ws', 'undici-types'])
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  writeFileSync(join(folder, 'package.json'), '{"name":"an-app","private":true,"type":"module"}')
  for (const [name, code] of examples) writeFileSync(join(folder, name), code)
}, 300_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What tsc complains of, with every file checked, those of the package too. */
function compiled(files: readonly string[], options: Readonly<Record<string, unknown>>): string {
  const config = join(folder, 'tsconfig.json')
  const compilerOptions = { strict: true, target: 'es2022', skipLibCheck: false, outDir: 'out', ...options }
  writeFileSync(config, JSON.stringify({ compilerOptions, files }))
  return spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', config], { cwd: folder, encoding: 'utf8' }).stdout
}

test('docs/client.md has the examples that are run here', () => {
  expect([...examples.keys()].sort()).toEqual(['light.ts', 'node20.ts', 'page.ts', 'watch.ts'])
})

describe('in a project for Node', () => {
  let system: System
  let environment: NodeJS.ProcessEnv
  beforeAll(async () => {
    system = await openSystem()
    for (const name of ['relay', 'hub'] as const) {
      const words = name === 'hub' ? ['hub', '--simulated', '1', '--prefix', 'demo-'] : [name]
      await system.start(words).untilSaid(name === 'hub' ? /connected to the relay/ : /"event":"ready"/, LIMIT_MS)
    }
    const { token } = JSON.parse(await system.must(['registry', 'token', 'create', 'wall-panel', '--json']))
    environment = { ...process.env, HEARTH_URL: `http://127.0.0.1:${system.ports.app}`, HEARTH_TOKEN: token }
  })
  afterAll(() => system?.[Symbol.asyncDispose]())

  const run = (name: string) =>
    spawnSync(process.execPath, [join(folder, 'out', name)], { env: environment, encoding: 'utf8', timeout: LIMIT_MS })

  test('compiles, sends, hears, and ends by itself', async () => {
    const node = {
      module: 'nodenext',
      moduleResolution: 'nodenext',
      types: ['node'],
      lib: ['es2024', 'esnext.disposable'],
    }
    expect(compiled(['light.ts', 'watch.ts', 'node20.ts'], node)).toBe('')
    expect(run('light.js')).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringMatching(/^done {2}[\d.]+ ms\n$/),
    })
    expect(run('node20.js')).toMatchObject({ status: 0, stderr: '', stdout: "[ 'demo-01' ]\n" })
    const watching = system.start([], environment, join(folder, 'out/watch.js'))
    await until('a state is heard', LIMIT_MS, () => {
      run('light.js')
      return watching.said() !== ''
    })
    expect(await watching.ended).toEqual({ code: 0, signal: null })
  })
})

test('in a project for a browser: compiles without the types of Node, and bundles small', async () => {
  const browser = { module: 'esnext', moduleResolution: 'bundler', types: [], lib: ['es2022', 'dom'], noEmit: true }
  expect(compiled(['page.ts'], browser)).toBe('')
  writeFileSync(
    join(folder, 'all.js'),
    "import { connect } from '@hearthlake/hearth/client'\nglobalThis.connect = connect\n",
  )
  const built = await build({
    root: folder,
    configFile: false,
    logLevel: 'error',
    build: { write: false, rollupOptions: { input: join(folder, 'all.js') } },
  })
  if (!('output' in built)) throw new Error('expected one bundle')
  const [chunk] = built.output
  expect(chunk.code).not.toMatch(/node:|\bBuffer\b|\bprocess\./)
  const size_bytes = gzipSync(chunk.code).length
  console.warn(`the client is ${size_bytes} bytes gzipped`)
  expect(size_bytes).toBeLessThan(BUNDLE_MAX_BYTES)
})
