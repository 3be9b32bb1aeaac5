import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { startChild } from '../child.ts'
import type { Figure } from '../figure.ts'
import { cpuOf_us, memoryOf_mib } from '../machine.ts'
import { type ManyHubsTask, manyHubsSaid } from '../many-hubs.ts'
import { makeFleet, pause, startHearth } from '../server.ts'

export const hubs: Benchmark = {
  name: 'hubs',
  description: 'what a hub that is connected costs relay and gateway: memory, and CPU while nothing happens',
  rounds: 1,
  run,
}

const HUBS = 15_000
/** The agent's own. */
const KEEP_ALIVE_S = 30
const SETTLE_MS = 20_000
const IDLE_MS = 60_000

type Measured = {
  readonly before_mib: number
  readonly after_mib: number
  readonly idle_share: number
  readonly connect_s: number
}

async function run({ events: count = HUBS, folder, profile, note }: BenchmarkOptions): Promise<Findings> {
  const names = Array.from({ length: count }, (_, i) => `hub-${String(i).padStart(5, '0')}`)
  note(`enrolling ${count} hubs`)
  const fleet = await makeFleet(join(folder, 'home'), names)
  const hubs_file = join(folder, 'hubs.json')
  writeFileSync(hubs_file, JSON.stringify(Object.fromEntries(fleet.hubs)))

  async function measure(words: readonly string[], urlName: string, hears: ManyHubsTask['hears']): Promise<Measured> {
    const server = await startHearth(fleet, words, { profile })
    const port = Number(new URL(String(server.facts[urlName])).port)
    await pause(SETTLE_MS / 4)
    const before_mib = memoryOf_mib(server.pid).now
    const begun_ms = performance.now()
    const task: ManyHubsTask = { port, hubs_file, keep_alive_s: KEEP_ALIVE_S, hears }
    const child = startChild(join(import.meta.dirname, '../many-hubs-child.ts'), task)
    try {
      for (let connected = 0; connected < count; )
        connected = manyHubsSaid.parse(JSON.parse(await child.line())).connected ?? connected
      const connect_s = (performance.now() - begun_ms) / 1000
      await pause(SETTLE_MS)
      const cpu_us = cpuOf_us(server.pid)
      await pause(IDLE_MS)
      const idle_share = (cpuOf_us(server.pid) - cpu_us) / (IDLE_MS * 1000)
      const measured = { before_mib, after_mib: memoryOf_mib(server.pid).now, idle_share, connect_s }
      note(`${words.join(' ')}: ${told(measured)}`)
      return measured
    } finally {
      await child.stop()
      await server.stop()
    }
  }

  const perHub_kib = ({ before_mib, after_mib }: Measured) => ((after_mib - before_mib) * 1024) / count
  const told = (measured: Measured) =>
    `${measured.before_mib.toFixed(0)} → ${measured.after_mib.toFixed(0)} MiB, ${perHub_kib(measured).toFixed(1)} KiB a hub, ${(100 * measured.idle_share).toFixed(1)} % of a core idle, connected in ${measured.connect_s.toFixed(0)} s`

  const relay = await measure(['relay'], 'hub_url', 'command')
  const gateway = await measure(['ingest'], 'mqtt', 'nothing')
  const figures = (name: string, one: Measured): Figure[] => [
    { name: `${name}: memory a hub`, unit: 'KiB', value: perHub_kib(one), target: { most: 80 } },
    { name: `${name}: memory without hubs`, unit: 'MiB', value: one.before_mib },
    { name: `${name}: memory with ${count}`, unit: 'MiB', value: one.after_mib },
    { name: `${name}: CPU, idle`, unit: '% of a core', value: 100 * one.idle_share },
    { name: `${name}: handshakes`, unit: '/s', value: count / one.connect_s },
  ]
  return {
    workloads: [],
    rounds: [{ relay, gateway }],
    figures: [
      ...figures('relay', relay),
      ...figures('gateway', gateway),
      { name: 'both: memory a hub', unit: 'KiB', value: perHub_kib(relay) + perHub_kib(gateway) },
    ],
    notes: [
      `${count} hubs, each with mutual TLS 1.3, subscribed (relay), a keep-alive of ${KEEP_ALIVE_S} s, nothing else to say. Resident memory before the first and ${SETTLE_MS / 1000} s after the last; CPU over the next ${IDLE_MS / 1000} s. The file-descriptor limit of a process bounds how many can be here.`,
    ],
    faults: [],
  }
}
