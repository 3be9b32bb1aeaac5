/** A minute each of what `npm run chaos` does for ten; `CHAOS_MINUTES=…` for longer. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { lakeStore } from '../../cli/lake-store.ts'
import { loadConfig } from '../../cli/load-config.ts'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import type { System } from '../../cli/testing/system.ts'
import { damageOneRow } from '../../lake/testing/one-row.ts'
import { runChaos } from './chaos.ts'

const MINUTES = Number(process.env['CHAOS_MINUTES'] ?? 1)
/** `CHAOS_SEED=…` repeats the moments of a run; what the machine does at them is its own. */
const SEED = Number(process.env['CHAOS_SEED'] ?? Math.floor(random.float() * 2 ** 31))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-chaos-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

test.each([
  { network: false, what: 'brokers, S3 server, gateways, writers and jobs are killed and frozen' },
  { network: true, what: 'their answers are lost besides' },
])('nothing acknowledged is lost or doubled while $what', { timeout: 900_000, retry: 0 }, async ({ network }) => {
  const said: string[] = [`CHAOS_SEED=${SEED}`]
  const note = (text: string) => said.push(text)
  const report = await runChaos(
    { minutes: MINUTES, seed: SEED, hubs: 9, network, folder, note },
    network ? undefined : damaged,
  )
  console.warn(`CHAOS_SEED=${SEED}\n${report.text}`)
  expect(report, said.join('\n')).toMatchObject({ ok: true, lost: 0, broken: 0, crashes: [] })
  expect(report.acknowledged).toBeGreaterThan(100)
  // Of what gets through where answers are lost, perhaps nothing was bad.
  if (!network) expect(report.dead).toBeGreaterThan(0)
  expect(Object.values(report.faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(7 * MINUTES)
})

/** One row that is removed by hand, and then one that is doubled, is seen by `hearth verify`. */
async function damaged(system: System, journal: string): Promise<void> {
  const context = { home: system.home, config: loadConfig(system.home, system.environment, system.home), clock, random }
  for (const [name, value] of Object.entries(system.environment)) if (name.startsWith('AWS_')) vi.stubEnv(name, value)
  const store = lakeStore(context)
  const found: (number | null)[] = []
  for (const damage of ['missing', 'twice'] as const) {
    const where = `source_id = 'load-1' AND kind = 'reading'`
    await damageOneRow({ store, table: 'events', where, damage, clock, random, scratch_folder: join(folder, damage) })
    found.push((await system.run(['verify', '--acks', journal])).code)
  }
  expect(found).toEqual([1, 1])
}
