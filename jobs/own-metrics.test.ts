import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { catalogue, catalogueWith } from './catalogue.ts'
import { lampHours } from './testing/lamp-hours.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-metrics-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const put = (name: string, text: string) => writeFileSync(join(folder, name), text)
const own = () => catalogueWith(folder).metrics.slice(catalogue().length)

test('a file that is wrong keeps no other metric, and is told with its name', () => {
  put('lamp_hours.sql', lampHours())
  put('half.sql', '-- metric: half\n')
  mkdirSync(join(folder, 'folder.sql'))
  expect(own().map(({ name }) => name)).toEqual(['lamp_hours'])
  expect(catalogueWith(folder).faults).toEqual([
    expect.stringMatching(/^folder\.sql: EISDIR/),
    expect.stringMatching(/half\.sql: the header lacks/),
  ])
})

test('what reads a metric that is wrong is left out with it', () => {
  put('half.sql', '-- metric: half\n')
  put('reader.sql', lampHours().replaceAll('lamp_hours', 'reader').replace('inputs: events by hour', 'inputs: half'))
  expect(own()).toEqual([])
  expect(catalogueWith(folder).faults.at(-1)).toMatch(/^reader reads half: expected events, objectives, or metrics/)
})

test('one with the name of a metric of Hearth is left out, and Hearth has its own', () => {
  put('hubs.sql', lampHours().replaceAll('lamp_hours', 'hubs'))
  expect(catalogueWith(folder)).toEqual({
    metrics: catalogue(),
    faults: ['there is a table or metric hubs already'],
  })
})
