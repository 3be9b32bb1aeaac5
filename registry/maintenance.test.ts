import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HubRecord } from '../contract/registry-record.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import type { Administration } from './administration.ts'
import { addMaintenance } from './maintenance.ts'
import { openSqliteRegistry } from './sqlite-registry.ts'

const NOW_MS = 10_000
let folder: string
let registry: Administration

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-maintenance-'))
  const options = { fleet: 'f', layout: { epoch: 1, buckets: 2 }, clock: new ManualClock(), random: seededRandom(1) }
  registry = openSqliteRegistry(join(folder, 'registry.db'), options)
})

afterEach(async () => {
  await registry.close()
  rmSync(folder, { recursive: true })
})

const hub = (model: string): HubRecord => ({
  ...{ hub: 'a', home: 'h', region: 'r', model, zone: 'UTC', generation: 1, enrolled_ms: 1000, maintenance: [] },
})
const told = () =>
  registry
    .history('a')
    .map(({ valid_from_ms, record }) => [valid_from_ms, record.model, record.maintenance.map((one) => one.from_ms)])

describe('a maintenance window', () => {
  test('to come is known from now on', async () => {
    await registry.putHub(hub('one'), 1000)
    await addMaintenance(registry, 'a', { from_ms: 20_000, to_ms: 30_000 }, NOW_MS)
    expect(told()).toEqual([
      [1000, 'one', []],
      [NOW_MS, 'one', [20_000]],
    ])
  })

  test('that has begun counts from its beginning, in what was known of the hub at each moment of it', async () => {
    await registry.putHub(hub('one'), 1000)
    await registry.putHub(hub('two'), 5000)
    await registry.putHub(hub('three'), 8000)
    await addMaintenance(registry, 'a', { from_ms: 4000, to_ms: 7000 }, NOW_MS)
    expect(told()).toEqual([
      [1000, 'one', []],
      [4000, 'one', [4000]],
      [5000, 'two', [4000]],
      [8000, 'three', []],
    ])
  })

  test('that begins before the hub was there counts from its enrolment; before all of it is refused', async () => {
    await registry.putHub(hub('one'), 1000)
    await addMaintenance(registry, 'a', { from_ms: 500, to_ms: 2000 }, NOW_MS)
    expect(told()).toEqual([[1000, 'one', [500]]])
    await expect(addMaintenance(registry, 'a', { from_ms: 100, to_ms: 200 }, NOW_MS)).rejects.toThrow(
      /not in the registry/,
    )
  })
})
