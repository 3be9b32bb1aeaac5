/** Commands on a machine whose cores are all taken by jobs that compute, as `hearth jobs scheduler` does it. */
import { cp, mkdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { openLocalLake } from '../../cli/fleet.ts'
import { loadConfig } from '../../cli/load-config.ts'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { DAY_MS } from '../../jobs/day.ts'
import { openDuckDb } from '../../lake/duckdb.ts'
import type { BenchmarkOptions } from '../benchmark.ts'
import { writeDay } from '../day.ts'
import { cpuOf_us } from '../machine.ts'
import { makeFleet, startHearth } from '../server.ts'
import { APPS, type Compared, compare, HUBS, openHomes, PER_SECOND, toldOf, WINDOW_S } from './window.ts'

/** Of the lake, by each command of a window: 12 million for a whole one, a day of 2,400 homes. */
const EVENTS_A_COMMAND = 24_000
const EVENTS_A_HUB = 5_000

export type Busy = Compared & {
  /** That the scheduler used while the commands were sent. */
  readonly jobs_cores: number
}

export async function besideJobs({ rounds, seed, folder, events, note }: BenchmarkOptions): Promise<readonly Busy[]> {
  const home = join(folder, 'busy')
  const fleet = await makeFleet(home, HUBS, APPS)
  const count = EVENTS_A_COMMAND * (events ?? PER_SECOND * WINDOW_S)
  note(`a lake of ${count} events, for jobs`)
  await makeLake(home, count)
  const whole = join(folder, 'lake')
  await cp(join(home, 'lake'), whole, { recursive: true })
  await using cleanup = new AsyncDisposableStack()
  const start = async (words: readonly string[], name: string, settings = {}) =>
    await startHearth(fleet, words, { profile: undefined, name, settings })
  const relay = await start(['relay'], 'relay')
  cleanup.defer(() => relay.stop())
  const portOf = (url: unknown) => Number(new URL(String(url)).port)
  const homes = await openHomes({
    ...{ fleet, relay_pid: relay.pid, seed, count: events, folder: home },
    // Nobody takes telemetry here: ingest would have its part of the cores.
    ports: { hub: portOf(relay.facts['hub_url']), app: portOf(relay.facts['app_url']), mqtt: 9 },
  })
  cleanup.defer(() => homes.stop())
  const all: Busy[] = []
  for (let round = 1; round <= rounds; round++) {
    const before = await homes.look()
    const jobs = await start(['jobs', 'scheduler'], 'jobs', { HEARTH_JOBS_THREADS: String(availableParallelism()) })
    const [begun_ms, begun_us] = [performance.now(), cpuOf_us(jobs.pid)]
    const during = await homes.look()
    const jobs_cores = (cpuOf_us(jobs.pid) - begun_us) / 1_000 / (performance.now() - begun_ms)
    await jobs.stop()
    await rm(join(home, 'lake'), { recursive: true })
    await cp(whole, join(home, 'lake'), { recursive: true })
    const one = { ...compare(during, [before, await homes.look()]), jobs_cores }
    all.push(one)
    note(`round ${round}: beside jobs on ${jobs_cores.toFixed(2)} cores ${toldOf(one)}`)
  }
  return all
}

/** The lake of a state folder, with a day that is over and of which nothing is made yet. */
async function makeLake(home: string, events: number): Promise<void> {
  const lake = await openLocalLake({ home, config: loadConfig(home, {}, home), clock, random })
  const scratch_folder = join(home, 'scratch')
  await mkdir(scratch_folder, { recursive: true })
  await using duck = await openDuckDb({ threads: 2, temp_folder: join(home, 'temp') })
  const day_ms = (Math.floor(clock.now() / DAY_MS) - 2) * DAY_MS
  const fleet = { day_ms, hubs: Math.max(1, Math.round(events / EVENTS_A_HUB)), events_a_hub: EVENTS_A_HUB }
  await writeDay({ lake, duck, clock, random, scratch_folder }, fleet)
}
