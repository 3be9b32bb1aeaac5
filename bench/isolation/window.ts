/** A window of commands at a steady rate, and how one in trouble compares with calm ones beside it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HomesTask } from '../budget/parts.ts'
import { runChild, startChild } from '../child.ts'
import { median, percentile } from '../figure.ts'
import { cpuOf_us } from '../machine.ts'
import { type AppTask, appDone } from '../relay/parts.ts'
import type { BenchFleet } from '../server.ts'

export const HUBS = Array.from({ length: 50 }, (_, i) => `home-${String(i).padStart(2, '0')}`)
export const APPS = 10
export const PER_SECOND = 50
/** What is due in a window waits for its answers. */
export const WINDOW_S = 10

/** Latencies of the commands of one window, from when each was due, and the CPU that the relay used meanwhile. */
export type Window = { readonly ms: readonly number[]; readonly failed: number; readonly relay_cpu_us: number }

/** A window in trouble, by the mean of the medians of those that are calm beside it. */
export type Compared = {
  readonly ratio: number
  /** Of the relay's CPU: what it does more of itself, whatever else the machine does. */
  readonly cpu_ratio: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly calm_p50_ms: number
  readonly calm_p99_ms: number
  readonly failed: number
}

export function compare(during: Window, calm: readonly Window[]): Compared {
  const p50_ms = median(during.ms)
  const calm_p50_ms = calm.reduce((sum, { ms }) => sum + median(ms), 0) / calm.length
  const p99_ms = percentile(during.ms, 0.99)
  const calm_p99_ms = percentile(
    calm.flatMap(({ ms }) => ms),
    0.99,
  )
  const cpu_ratio = during.relay_cpu_us / (calm.reduce((sum, { relay_cpu_us }) => sum + relay_cpu_us, 0) / calm.length)
  const failed = [during, ...calm].reduce((sum, one) => sum + one.failed, 0)
  return { ratio: p50_ms / calm_p50_ms, cpu_ratio, p50_ms, p99_ms, calm_p50_ms, calm_p99_ms, failed }
}

export function toldOf({ ratio, cpu_ratio, p50_ms, p99_ms, calm_p50_ms, calm_p99_ms }: Compared): string {
  return `p50 ${p50_ms.toFixed(2)} ms (99 %: ${p99_ms.toFixed(1)}), calm ${calm_p50_ms.toFixed(2)} (${calm_p99_ms.toFixed(1)}): ${ratio.toFixed(2)} ×, relay CPU ${cpu_ratio.toFixed(2)} ×`
}

export type Homes = {
  /** Sends the commands of a window. */
  look(): Promise<Window>
  stop(): Promise<void>
}

/** Hubs with the real agent, in a process of their own; each `look` is an app in another. One was before it resolves. */
export async function openHomes(options: {
  readonly fleet: BenchFleet
  readonly relay_pid: number
  readonly ports: { readonly hub: number; readonly app: number; readonly mqtt: number }
  readonly folder: string
  readonly seed: number
  /** Commands of a window, where not all of it. */
  readonly count: number | undefined
}): Promise<Homes> {
  const { fleet, relay_pid, ports, folder, seed, count = PER_SECOND * WINDOW_S } = options
  const hubs_file = join(folder, 'hubs.json')
  writeFileSync(hubs_file, JSON.stringify(Object.fromEntries(fleet.hubs)))
  const homes: HomesTask = {
    ...{ relay_port: ports.hub, gateway_port: ports.mqtt, hubs_file, seed },
    folder: join(folder, 'hubs'),
  }
  const child = startChild(join(import.meta.dirname, '../budget/homes-child.ts'), homes)
  const task: AppTask = {
    to: { kind: 'relay', url: `http://127.0.0.1:${ports.app}`, tokens: [...fleet.tokens] },
    ...{ hubs: HUBS, load: { per_second: PER_SECOND, seconds: count / PER_SECOND } },
  }
  const look = async () => {
    const before_us = cpuOf_us(relay_pid)
    const { tapped } = await runChild(join(import.meta.dirname, '../relay/app-child.ts'), task, appDone)
    const relay_cpu_us = cpuOf_us(relay_pid) - before_us
    return { ms: tapped.map(({ ms }) => ms), failed: tapped.filter(({ done }) => !done).length, relay_cpu_us }
  }
  try {
    if ((await child.line()) !== 'ready') throw new Error('the hubs did not get ready')
    await look()
  } catch (error) {
    await child.stop()
    throw error
  }
  return { look, stop: () => child.stop() }
}
