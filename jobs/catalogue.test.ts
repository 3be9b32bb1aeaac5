import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { catalogue, catalogueWith } from './catalogue.ts'
import { metricsDocument } from './document.ts'
import { lampHours } from './testing/lamp-hours.ts'

test('docs/metrics.md tells what the files define', () => {
  expect(readFileSync(new URL('../docs/metrics.md', import.meta.url), 'utf8')).toBe(metricsDocument(catalogue()))
})

test('a definition that changes without its revision is caught', () => {
  const frozen = Object.fromEntries(catalogue().map(({ name, revision, hash }) => [name, `${revision} ${hash}`]))
  expect(frozen).toMatchInlineSnapshot(`
    {
      "command_traces": "4 c0fcdb9fa296034c",
      "device_days": "1 d228e4bac17517fb",
      "firmware_cohorts": "1 7d224caadcc93b50",
      "fleet_hours": "2 bf52ca9a76261a49",
      "hub_hours": "3 ce6a68150ea33fa2",
      "hubs": "1 fd5f2f8d8db0d372",
      "latency_hours": "1 d3ab5cb7998e3391",
      "sessions": "2 1a6f6f8631fc3b51",
      "slo_hours": "1 60b5f83f787bffa7",
      "stream_hours": "1 54b58d3d974d1a9c",
    }
  `)
})

test('metrics are read from files and folders, and one that is wrong keeps no other and is told with its file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-metrics-'))
  const put = (path: string, text = lampHours()) => {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const at = (path: string) => join(folder, path)
  const own = (...paths: string[]) => catalogueWith(paths.map(at)).metrics.slice(catalogue().length)
  const faults = (...paths: string[]) => catalogueWith(paths.map(at)).faults
  try {
    put('a/lamp_hours.sql')
    put('a/notes.md')
    put('b/lamp_hours.sql')
    put('c/hub_hours.sql', lampHours().replace('lamp_hours', 'hub_hours'))
    put('e/half.sql', '-- metric: half')
    put(
      'e/reader.sql',
      lampHours().replaceAll('lamp_hours', 'reader').replace('inputs: events by hour', 'inputs: half'),
    )
    mkdirSync(at('empty'))
    mkdirSync(at('f/folder.sql'), { recursive: true })
    expect(own('a', 'a/lamp_hours.sql', 'empty', 'c', 'e', 'f').map(({ name }) => name)).toEqual(['lamp_hours'])
    expect(faults('a')).toEqual([])
    expect(faults('a', 'b')).toEqual([
      `${at('b/lamp_hours.sql')}: there is a table or metric lamp_hours already, of ${at('a/lamp_hours.sql')}`,
    ])
    expect(faults('c')).toEqual([`${at('c/hub_hours.sql')}: there is a table or metric hub_hours already, of Hearth`])
    expect(faults('e')).toEqual([
      expect.stringContaining(`${at('e/half.sql')}: the header lacks`),
      expect.stringContaining('reader reads half: expected events, objectives, or metrics that are defined before'),
    ])
    expect(faults('f')).toEqual([expect.stringContaining(`${at('f/folder.sql')}: EISDIR`)])
    expect(() => own('d')).toThrow(`expected a folder of metrics, or a file with one; nothing is at ${at('d')}`)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
