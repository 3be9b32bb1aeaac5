import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseObjectives } from './objective.ts'
import { defaultObjectives, readObjectives } from './objectives-table.ts'

const file = (name: string) => readFileSync(new URL(`./objectives/${name}.yaml`, import.meta.url), 'utf8')
const availability = file('connection-availability')
const tapToLight = file('tap-to-light')

test('those that come with Hearth are about connections, commands, tap to light and telemetry', () => {
  const told = defaultObjectives().map(({ name, measure, hop, threshold_ms, target }) => {
    return [name, measure, hop, threshold_ms, target]
  })
  expect(told).toEqual(
    [
      ['connection-availability', 'availability', undefined, undefined, 0.995],
      ['command-success', 'command_success', undefined, undefined, 0.99],
      ['tap-to-light', 'latency', 'tap_to_light', 500, 0.95],
      ['telemetry-loss', 'loss', undefined, undefined, 0.999],
    ].toSorted(([a], [b]) => String(a).localeCompare(String(b))),
  )
})

test('a scope, a window of weeks, a target in percent and several documents in a file are understood', () => {
  const scoped = availability
    .replaceAll(/measure: (.*)/g, 'measure: $1\n              region: north')
    .replace('duration: 30d', 'duration: 4w')
    .replace('target: 0.995', 'targetPercent: 99')
  expect(parseObjectives('slo.yaml', `${scoped}---\n${tapToLight}`)).toMatchObject([
    { name: 'connection-availability', region: 'north', firmware: undefined, window_days: 28, target: 0.99 },
    { name: 'tap-to-light', minimum_total: 100 },
  ])
})

test.each([
  ['another kind', 'kind: SLO', 'kind: SLI', /^slo.yaml: kind: .*"SLO".*; found "SLI"$/],
  ['another source', 'type: hearth', 'type: Prometheus', /good.metricSource.type: .*"hearth".*; found "Prometheus"/],
  ['an unknown field', 'service: hearth', 'service: hearth\n  alertPolicies: []', /spec: .*"alertPolicies"/],
  ['time slices', 'Occurrences', 'Timeslices', /spec.budgetingMethod: .*"Occurrences".*; found "Timeslices"/],
  ['a calendar', 'isRolling: true', 'isRolling: false', /timeWindow.0.isRolling: expected true: calendar.*found false/],
  ['months', '30d', '1M', /timeWindow.0.duration: expected days or weeks: 30d, 4w; found "1M"/],
  ['a target of 1', '0.995', '1', /objectives.0.target: .*<1; found 1/],
  [
    'an unknown measure',
    'measure: connected_ms',
    'measure: uptime',
    /good.metricSource.spec.measure: .*; found "uptime"/,
  ],
  [
    'two that do not belong together',
    'measure: connected_ms',
    'measure: done',
    /expected one of good connected_ms of total expected_ms, .*; found done of expected_ms/,
  ],
  [
    'scopes that differ',
    'measure: connected_ms',
    'measure: connected_ms\n              model: h1',
    /model must be the same of good and total/,
  ],
  [
    'a threshold of a ratio',
    '- target',
    '- op: lte\n      value: 5\n      target',
    /op and value are for a thresholdMetric/,
  ],
  [
    'a minimum that is none',
    '"864000000"',
    '"many"',
    /metadata.annotations.hearth\/minimum-total: expected a whole number from 1; found "many"/,
  ],
  [
    'a minimum without quotes',
    '"864000000"',
    '200',
    /hearth\/minimum-total: .*expected string.*; found 200; put it in quotes$/,
  ],
  [
    'an annotation that is not known',
    'hearth/minimum-total',
    'hearth/minimum',
    /hearth\/minimum: there is no such annotation; did you mean hearth\/minimum-total\?/,
  ],
  ['another annotation of ours', 'hearth/minimum-total', 'hearth/owner', /there are hearth\/minimum-total and /],
  ['a target in percent', 'target: 0.995', 'target: 95', /target: .*found 95; a percentage is targetPercent: 95$/],
  ['what is not YAML', 'kind: SLO', 'kind: [', /^slo.yaml: not YAML: /],
])('%s is refused by its place, with what is expected', (_, from, to, message) => {
  expect(availability).toContain(from)
  const refused = () => parseObjectives('slo.yaml', availability.replace(from, to))
  expect(refused).toThrow(message)
  expect(refused).toThrow(expect.objectContaining({ kind: 'invalid' }))
})

test('durations are known by firmware alone, and need a threshold', () => {
  const scoped = tapToLight.replace('measure: tap_to_light_ms', 'measure: tap_to_light_ms\n            region: north')
  expect(() => parseObjectives('slo.yaml', scoped)).toThrow(/region and model are not known of durations; firmware is/)
  expect(() => parseObjectives('slo.yaml', tapToLight.replace('value: 500', ''))).toThrow(
    /needs op: lte and a value, in ms/,
  )
})

test('a name that stands twice in a folder is refused, and a folder without objectives', () => {
  const twice = () => readObjectives('slos', ['b.yaml', 'a.yml', 'notes.txt'], () => availability)
  expect(twice).toThrow(
    'slos/b.yaml: metadata.name: "connection-availability" is the name of an objective of slos/a.yml too',
  )
  expect(() => readObjectives('slos', ['notes.txt'], () => '')).toThrow(
    /slos: expected objectives in files \*\.yaml; found none/,
  )
  expect(() => readObjectives('slos', ['a.yaml'], () => '')).toThrow(/slos\/a\.yaml: expected an OpenSLO document/)
})

test('the example of docs/objectives.md is understood', () => {
  const document = readFileSync(new URL('../docs/objectives.md', import.meta.url), 'utf8')
  const yaml = /```yaml\n([\s\S]*?)```/.exec(document)?.[1] ?? ''
  expect(parseObjectives('docs/objectives.md', yaml)).toMatchObject([
    { measure: 'latency', hop: 'tap_to_light', threshold_ms: 300, firmware: '5.0.0', minimum_total: 200 },
  ])
})

test('of several files and documents that are not understood each is told', () => {
  const [kind, op] = [availability.replace('kind: SLO', 'kind: SLI'), tapToLight.replace('op: lte', 'op: gt')]
  const files = new Map([
    ['a.yaml', `${kind}---\n${op}`],
    ['b.yaml', tapToLight],
    ['c.yaml', op],
  ])
  expect(() => readObjectives('slos', [...files.keys()], (name) => files.get(name) ?? '')).toThrow(
    /^slos\/a.yaml, document 1: kind.*\nslos\/a.yaml, document 2: .*op: .*\nslos\/c.yaml: .*op: .*$/,
  )
})
