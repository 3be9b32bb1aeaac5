/** Several relays of one fleet, as processes on one state folder; each has its name and ports, and keeps them. */
import { z } from 'zod'
import { freePorts } from '../../infra/ports.ts'
import { figureOf, type Running, type System } from './system.ts'

const START_MS = 60_000

export const commandReport = z.object({
  ...{ command: z.string(), day: z.string(), outcome: z.string().optional(), reason: z.string().optional() },
  stages: z.array(z.object({ stage: z.string() })).optional(),
})
export type CommandReport = z.infer<typeof commandReport>

const held = z.object({ hubs: z.array(z.object({ hub: z.string(), relay: z.string() })) })

export type Relays = {
  readonly names: readonly string[]
  /** Of all relays, for `hearth hub --relay`. */
  readonly hub_urls: string
  start(name: string): Promise<Running>
  running(name: string): Running | undefined
  app(name: string): string
  /** The hubs that it holds; none when it is not there. */
  hubs(name: string): Promise<readonly string[]>
  /** The relay that holds the hub, as far as relays say. */
  holderOf(hub: string): Promise<string | undefined>
  /** A command to the kitchen's lamp. Rejects when it has no answer, or one that is none of HTTP's 200. */
  post(
    name: string,
    hub: string,
    ask?: { readonly key?: string; readonly deadline_ms?: number },
  ): Promise<CommandReport>
  get(name: string, id: string): Promise<CommandReport | undefined>
  figure(name: string, figure: string): Promise<number>
}

/** Nothing runs yet. `token` sends commands and sees hubs. */
export async function relaysOf(
  system: System,
  count: number,
  { token, settings }: { readonly token: string; readonly settings: NodeJS.ProcessEnv },
): Promise<Relays> {
  const ports = await freePorts(3 * count)
  const names = Array.from({ length: count }, (_, i) => `relay-${i}`)
  const portsOf = (name: string) => {
    const at = 3 * names.indexOf(name)
    return { hub: ports[at], app: ports[at + 1], peer: ports[at + 2] }
  }
  const processes = new Map<string, Running>()
  const headers = { authorization: `Bearer ${token}` }
  const relays: Relays = {
    names,
    hub_urls: names.map((name) => `mqtts://127.0.0.1:${portsOf(name).hub}`).join(','),
    async start(name) {
      const { hub, app, peer } = portsOf(name)
      const own = {
        HEARTH_RELAY_SOURCE: name,
        HEARTH_RELAY_HUB_PORT: String(hub),
        HEARTH_RELAY_APP_PORT: String(app),
        HEARTH_RELAY_PEER_PORT: String(peer),
      }
      const running = system.start(['relay'], { ...settings, ...own })
      processes.set(name, running)
      await running.untilSaid(/"event":"ready"/, START_MS)
      return running
    },
    running: (name) => processes.get(name),
    app: (name) => `http://127.0.0.1:${portsOf(name).app}`,
    async hubs(name) {
      try {
        const response = await fetch(`${relays.app(name)}/v1/hubs`, { headers, signal: AbortSignal.timeout(1_000) })
        return held.parse(await response.json()).hubs.flatMap(({ hub, relay }) => (relay === name ? [hub] : []))
      } catch {
        return [] // killed, or silent
      }
    },
    async holderOf(hub) {
      for (const name of names) if ((await relays.hubs(name)).includes(hub)) return name
      return undefined
    },
    async post(name, hub, { key = crypto.randomUUID(), deadline_ms = 5_000 } = {}) {
      const response = await fetch(`${relays.app(name)}/v1/hubs/${hub}/commands`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify({ device: 'kitchen-lamp', set: { powered: true }, deadline_ms }),
        signal: AbortSignal.timeout(4 * deadline_ms),
      })
      const text = await response.text()
      if (response.status !== 200) throw new Error(`${name} answered ${response.status}: ${text}`)
      return commandReport.parse(JSON.parse(text))
    },
    async get(name, id) {
      const response = await fetch(`${relays.app(name)}/v1/commands/${id}`, { headers })
      return response.status === 200 ? commandReport.parse(await response.json()) : undefined
    },
    figure: (name, figure) => figureOf(system, name === 'relay-0' ? 'relay' : name, figure),
  }
  return relays
}
