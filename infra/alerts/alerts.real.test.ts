/** Rules and dashboards, as promtool reads them, and against what the processes really tell. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { openSystem, opsOf, type System, until } from '../../cli/testing/system.ts'
import { dashboards, expressionsOf } from '../grafana/dashboard.ts'
import { promtool, runPromtool } from '../prometheus/promtool.ts'

const RULES = 'hearth.rules.yaml'
const START_MS = 60_000
const PROCESSES: readonly (readonly [name: string, words: readonly string[]])[] = [
  ['ingest', ['ingest']],
  ['relay', ['relay']],
  ['dashboards', ['dashboards']],
  ['jobs', ['jobs', 'scheduler']],
  ['hubs', ['hub', '--simulated', '1']],
]

beforeAll(promtool)

describe('promtool', () => {
  it('finds the rules good', () => {
    expect(runPromtool(['check', 'rules', RULES], import.meta.dirname)).toContain('SUCCESS')
  })

  it('sees each alert fire on what it is for, and none on a good day', () => {
    expect(runPromtool(['test', 'rules', 'hearth.test.yaml'], import.meta.dirname)).toContain('SUCCESS')
  })

  it('can read each expression of the dashboards', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hearth-promtool-'))
    try {
      const rules = dashboards()
        .flatMap(expressionsOf)
        .map((expr, index) => ({ record: `panel:expression:${index}`, expr }))
      expect(rules.length).toBeGreaterThan(50)
      writeFileSync(join(folder, 'panels.yaml'), stringify({ groups: [{ name: 'panels', rules }] }))
      expect(runPromtool(['check', 'rules', 'panels.yaml'], folder)).toContain('SUCCESS')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('the processes', () => {
  let system: System
  const scrapes = new Map<string, string>()
  beforeAll(async () => {
    system = await openSystem()
    for (const [name, words] of PROCESSES) {
      system.start(words)
      await until(`${name} serves`, START_MS, () => existsSync(join(system.home, 'run', `${name}.json`)))
    }
    for (const [name] of PROCESSES) scrapes.set(name, await (await fetch(`${opsOf(system, name)}/metrics`)).text())
  })
  afterAll(() => system?.[Symbol.asyncDispose]())

  it('tell every figure that rules, dashboards and the document use', () => {
    const told = new Set<string>()
    for (const [, name = '', kind] of [...scrapes.values()].join('\n').matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
      told.add(name)
      if (kind === 'histogram') for (const part of ['bucket', 'sum', 'count']) told.add(`${name}_${part}`)
    }
    const read = (path: string) => readFileSync(join(import.meta.dirname, path), 'utf8')
    const used = [read(RULES), ...dashboards().map((one) => JSON.stringify(one)), read('../../docs/operations.md')]
    const names = new Set(used.join('\n').match(/\b(hearth|process|nodejs)_[a-z_0-9]+/g))
    expect(names.size).toBeGreaterThan(50)
    expect([...names].filter((name) => !told.has(name)).sort()).toEqual([])
  })

  it('tell them as Prometheus wants them', () => {
    for (const [name, text] of scrapes) {
      // The figures of Node's own, as its client library has them, are told otherwise.
      const own = text.split('\n').filter((line) => /^(# (HELP|TYPE) )?hearth_/.test(line))
      expect(own.length, name).toBeGreaterThan(0)
      runPromtool(['check', 'metrics'], import.meta.dirname, `${own.join('\n')}\n`)
    }
  })
})
