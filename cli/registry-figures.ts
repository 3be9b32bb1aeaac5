import type { Registry as Metrics } from 'prom-client'
import type { Registry } from '../registry/registry.ts'
import { figuresIn } from './figure.ts'

/** How far a process is behind the registry from whose copy it answers. */
export function registryFigures(metrics: Metrics, registry: Pick<Registry, 'stale_ms'>): void {
  const help = 'Since it was last seen that the copy of the registry has every change; 0 for a registry that is a file.'
  figuresIn(metrics).gauge('hearth_registry_stale_seconds', help, () => registry.stale_ms() / 1000)
}
