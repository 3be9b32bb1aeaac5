/** Starts a load as a process outside the system's process group, as hubs of the system's own fleet. */
import { spawn } from 'node:child_process'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { localIdentities } from '../hub-identity.ts'
import { loadConfig } from '../load-config.ts'
import { machineClock, machineRandom } from '../machine.ts'
import type { LoadCounts, LoadPlan } from './load.ts'

export type { LoadCounts } from './load.ts'

import type { System } from './system.ts'

const CHILD = fileURLToPath(new URL('load-child.ts', import.meta.url))

export type Load = {
  readonly pid: number
  readonly journal: string
  /** Bytes of the journal: it grows while acknowledgements come. */
  acknowledged_bytes(): number
  /** Asks it to end; resolves with its counts when all it sent is acknowledged. */
  end(): Promise<LoadCounts>
  kill(): void
}

const counts = z.object({
  ...{
    events: z.number(),
    batches: z.number(),
    repeats: z.number(),
    unanswered: z.number(),
    boots: z.number(),
    longest_gap_ms: z.number(),
  },
  refused: z.array(z.string()),
})

/** Hubs `load-0` …: every third over HTTPS, the others over MQTT. Their certificates are made before it starts. */
export async function startLoad(
  { home, ports, environment }: System,
  options: { readonly folder: string; readonly hubs: number; readonly seed: number } & {
    /** Two firmwares: see `level` of load-source.ts. */
    readonly levels?: boolean
  } & Partial<Omit<LoadPlan, 'hubs'>>,
): Promise<Load> {
  const { folder, seed, hubs, levels, ...given } = options
  const context = {
    ...{ home, config: loadConfig(home, environment, home), clock: machineClock, random: machineRandom },
    ...{ print: () => undefined, note: () => undefined, signal: new AbortController().signal },
  }
  const names = Array.from({ length: hubs }, (_, i) => `load-${i}`)
  const journal = join(folder, 'acks.ndjson')
  const plan: LoadPlan = {
    ...{ host: '127.0.0.1', gateways: [{ mqtt: ports.mqtt, https: ports.https }], journal },
    ...{ lanes: 3, events_max: 40, pause_ms: 60, again: 0.05, twice: 0.05, reboot: 0.004, malformed: 0 },
    ...given,
    hubs: (await localIdentities(context, names, 'load')).map(({ hub, generation, tls }, i) => ({
      ...{ hub, generation, tls, via: i % 3 === 2 ? ('https' as const) : ('mqtt' as const) },
      ...(levels && { level: i % 2 === 0 ? ('number' as const) : ('word' as const) }),
    })),
  }
  const path = join(folder, 'load.json')
  writeFileSync(path, JSON.stringify(plan), { mode: 0o600 })
  const child = spawn(process.execPath, [CHILD, path, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  const { pid } = child
  if (pid === undefined) throw new Error('the load could not be started')
  let text = ''
  child.stdout.on('data', (part: Buffer) => {
    text += part.toString()
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return {
    pid,
    journal,
    acknowledged_bytes: () => statSync(journal, { throwIfNoEntry: false })?.size ?? 0,
    async end() {
      child.kill('SIGTERM')
      const code = await ended
      if (code !== 0) throw new Error(`the load ended with ${code}: ${text}`)
      return counts.parse(JSON.parse(text))
    },
    kill: () => void child.kill('SIGKILL'),
  }
}
