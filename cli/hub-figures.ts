import type { Registry } from 'prom-client'
import type { Agent } from '../hub-agent/agent.ts'
import { figuresIn } from './figure.ts'

export type Hub = { readonly agent: Agent; readonly connections: ReadonlySet<'relay' | 'gateway'> }

/** The figures of the hubs that a process runs, added up. */
export function hubFigures(metrics: Registry, hubs: readonly Hub[]): void {
  const { counter, gauge } = figuresIn(metrics)
  gauge('hearth_hub_agents', 'Hubs that this process runs.', () => hubs.length)
  gauge('hearth_hub_connections', 'Open connections.', () =>
    (['relay', 'gateway'] as const).map(
      (to) => [{ to }, hubs.filter(({ connections }) => connections.has(to)).length] as const,
    ),
  )
  const sum = (field: 'events' | 'bytes' | 'dropped') => () => {
    const streams = new Map<string, number>()
    for (const { agent } of hubs) {
      for (const status of agent.outbox.status()) {
        streams.set(status.stream, (streams.get(status.stream) ?? 0) + status[field])
      }
    }
    return [...streams].map(([stream, value]) => [{ stream }, value] as const)
  }
  gauge('hearth_hub_outbox_events', 'Events that no gateway has acknowledged yet.', sum('events'))
  gauge('hearth_hub_outbox_bytes', 'What they take on disk.', sum('bytes'))
  counter(
    'hearth_hub_outbox_dropped_events_total',
    'Events discarded for want of room, or refused for good.',
    sum('dropped'),
  )
}
