import { Counter, type Registry } from 'prom-client'

export type AlertsFigures = {
  /** Objectives could not be judged. */
  failed(): void
  told(receiver: string, outcome: 'done' | 'failed'): void
}

export function alertsFigures(metrics: Registry, receivers: readonly string[]): AlertsFigures {
  const registers = [metrics]
  const failures = new Counter({
    ...{ name: 'hearth_alerts_failures_total', help: 'Times that objectives could not be judged.', registers },
  })
  const told = new Counter({
    ...{ name: 'hearth_alerts_told_total', help: 'Tries to tell a receiver of changes of alerts.', registers },
    labelNames: ['receiver', 'outcome'] as const,
  })
  // A figure that is not there cannot be compared with.
  for (const receiver of receivers) for (const outcome of ['done', 'failed']) told.inc({ receiver, outcome }, 0)
  return { failed: () => failures.inc(), told: (receiver, outcome) => told.inc({ receiver, outcome }) }
}
