import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { configurationDocument, tablesDocument } from './cli/document.ts'

/** What a machine can check of the house rules (CONTRIBUTING.md). */
const root = import.meta.dirname
const text = (path: string) => readFileSync(join(root, path), 'utf8')
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && !path.startsWith('docs/images/'))
const sources = files.filter((path) => /\.tsx?$/.test(path)).filter(exists)

function exists(path: string): boolean {
  try {
    return text(path).length >= 0
  } catch {
    return false // deleted in the work tree, not yet in the index
  }
}

const ROOMS = [
  'contract',
  'client',
  'lake',
  'link',
  'ingest',
  'registry',
  'relay',
  'hub-agent',
  'jobs',
  'dashboards',
  'infra',
  'sim',
  'bench',
  'cli',
]
const ANY = ROOMS
/** ARCHITECTURE.md, "Rooms". */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  client: ['contract'],
  lake: ['contract'],
  link: ['contract'],
  registry: ['contract'],
  ingest: ['contract', 'lake', 'link', 'registry'],
  relay: ['contract', 'link', 'registry'],
  'hub-agent': ['contract', 'link'],
  jobs: ['contract', 'lake'],
  dashboards: ['contract', 'client', 'lake', 'jobs', 'registry'],
  infra: [],
  sim: ANY,
  bench: ANY,
  cli: ANY,
}

function importsOf(path: string): string[] {
  return [...text(path).matchAll(/(?:from|import\()\s*'(\.[^']+)'|^import '(\.[^']+)'/gm)].map((match) =>
    normalize(join(dirname(path), match[1] ?? match[2] ?? '')),
  )
}

/** Without its comments. */
const code = (path: string) => text(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
const roomOf = (path: string) => path.split('/')[0] ?? ''
const isTest = (path: string) => /\.(test|conformance|fixture)\.tsx?$|\.real\.test\.ts$|(^|\/)testing\//.test(path)

describe('rooms', () => {
  test('import only what the table of ARCHITECTURE.md allows', () => {
    const wrong = sources
      .filter((path) => path.includes('/') && !isTest(path))
      .flatMap((path) =>
        importsOf(path)
          .map(roomOf)
          .filter((room) => ROOMS.includes(room) && room !== roomOf(path) && !MAY_IMPORT[roomOf(path)]?.includes(room))
          .map((room) => `${path} imports ${room}`),
      )
    expect(wrong).toEqual([])
  })

  test('product code never imports a planted bug', () => {
    const planted = (path: string) => importsOf(path).some((target) => target.startsWith('sim/planted'))
    expect(sources.filter((path) => !path.startsWith('sim/') && planted(path))).toEqual([])
  })

  test('have a README', () => {
    const present = ROOMS.filter((room) => files.some((path) => path.startsWith(`${room}/`)))
    expect(present.filter((room) => !files.includes(`${room}/README.md`))).toEqual([])
  })
})

describe('files', () => {
  test('are at most 400 lines', () => {
    expect(sources.filter((path) => text(path).split('\n').length > 401)).toEqual([])
  })

  test('are named for one thing', () => {
    expect(files.filter((path) => /(^|\/)(utils?|helpers?|common|misc|manager|index)\.tsx?$/.test(path))).toEqual([])
  })

  test('leave nothing to do, nothing unchecked, nothing skipped', () => {
    const banned = /\bas any\b|: any\b|\b(it|test|describe)\.(only|skip|todo)\(/
    const undone = /TODO|FIXME|@ts-(ignore|nocheck|expect-error)/
    const wrong = (path: string) => undone.test(text(path)) || banned.test(code(path))
    expect(sources.filter((path) => path !== 'tidy.test.ts' && wrong(path))).toEqual([])
  })

  test('speak of the project alone', () => {
    const places = /\/work\/|\/root\/|\/tmp\/bash|shared\/(design|ground|review)/
    const readable = files.filter((path) => /\.(ts|tsx|js|json|md|sql|css|html|sh|yaml|yml)$/.test(path)).filter(exists)
    const others = readable.filter((path) => path !== 'package-lock.json' && path !== 'tidy.test.ts')
    expect(others.filter((path) => places.test(text(path)))).toEqual([])
  })
})

test('decisions that are cited are there', () => {
  const cited = files.flatMap((path) => [...(exists(path) ? text(path) : '').matchAll(/decisions\/(\d{3})/g)])
  const missing = cited
    .map(([, number]) => number)
    .filter((number) => !files.some((path) => path.startsWith(`docs/decisions/${number}-`)))
  expect(missing).toEqual([])
})

describe('effects', () => {
  /** The machine's clock and chance come in through Clock and Random; these are where they are made, or are the browser's own. */
  const EXEMPT =
    /^(cli\/machine\.ts|client\/platform\.ts|sim\/clock\.ts|dashboards\/web\/|bench\/)|\.test\.ts$|\.conformance\.ts$|(^|\/)testing\//

  test('come in as arguments: no clock, timer or chance of the machine outside cli/machine.ts', () => {
    const banned =
      /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bMath\.random\(|\brandomUUID\(|\bprocess\.hrtime|\bset(Timeout|Interval)\(|\brandomBytes\(/
    expect(sources.filter((path) => !EXEMPT.test(path) && banned.test(code(path)))).toEqual([])
  })
})

describe('generated documents are up to date', () => {
  test('docs/configuration.md (npm run docs makes it)', () => {
    expect(text('docs/configuration.md')).toBe(configurationDocument())
  })

  test('docs/tables.md (npm run docs makes it)', () => {
    expect(text('docs/tables.md')).toBe(tablesDocument())
  })
})
