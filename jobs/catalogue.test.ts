import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { catalogue } from './catalogue.ts'
import { metricsDocument } from './document.ts'

test('docs/metrics.md tells what the files define', () => {
  expect(readFileSync(new URL('../docs/metrics.md', import.meta.url), 'utf8')).toBe(metricsDocument(catalogue()))
})

test('a definition that changes without its revision is caught', () => {
  const frozen = Object.fromEntries(catalogue().map(({ name, revision, hash }) => [name, `${revision} ${hash}`]))
  expect(frozen).toMatchInlineSnapshot(`
    {
      "command_traces": "3 94e58bea3727f6d9",
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
