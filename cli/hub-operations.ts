/** What a process of hubs answers to whoever runs it; loaded once somebody asks (cli/operations-on-demand.ts). */
import type { Server } from 'node:http'
import type { CliContext } from './context.ts'
import { diskFigures } from './disk-figures.ts'
import { type Hub, hubFigures } from './hub-figures.ts'
import { operationsServer, processMetrics } from './operations.ts'

export function hubOperations(
  { home }: Pick<CliContext, 'home'>,
  hubs: readonly Hub[],
  options: { readonly unready: () => readonly string[]; readonly fault: (error: unknown) => void },
): Server {
  const metrics = processMetrics('hub')
  hubFigures(metrics, hubs)
  diskFigures(metrics, home)
  return operationsServer({ metrics, ...options })
}
