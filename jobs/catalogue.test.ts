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
      "command_traces": "4 c150217bcca18006",
      "device_days": "1 8c8a5e5b7fb76771",
      "firmware_cohorts": "1 4230fedde885323d",
      "fleet_hours": "2 34fc44900c701c7f",
      "hub_hours": "2 89f804e4bdf62ca8",
      "hubs": "1 fa77d7a1b93629bc",
      "latency_hours": "1 80595d44546c2cd0",
      "sessions": "2 b219aefdada9ff66",
      "slo_hours": "1 cad5f8c5b98e723f",
      "stream_hours": "1 3b1796a4079d6be4",
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
