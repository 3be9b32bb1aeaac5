import { machineClock, machineRandom } from '../../cli/machine.ts'
import { Problem } from '../../contract/problem.ts'
import type { HubRecord } from '../../contract/registry-record.ts'
import { type Principal, type Registry, SCOPES } from '../../registry/registry.ts'
import { type Dashboards, startDashboards } from '../server.ts'

/** All tables; none; events of which no metric is made yet; metrics that end three hours ago. */
export type SampleState = 'full' | 'empty' | 'unmeasured' | 'behind' | 'failing'

/** For tests only: the dashboards over sample tables. The one token is `hearth_sample`. */
export async function startSample(options: {
  readonly now_ms: number
  readonly state?: SampleState
  readonly relay?: string
  readonly time_max_ms?: number
  /** A bucket that is stopped. */
  readonly stopped?: number
  /** A free one when absent. */
  readonly port?: number
  readonly principal?: Principal
  readonly note?: (text: string) => void
}): Promise<Dashboards> {
  const principal = options.principal ?? { app: 'person', scopes: SCOPES }
  return startDashboards({
    registry: sampleRegistry(options.state === 'empty' ? 0 : 25, principal),
    relay: { url: options.relay ?? 'http://127.0.0.1:9', token: 'hearth_relay' },
    queries: {
      module: new URL('./sample-child.ts', import.meta.url).pathname,
      arguments: [String(options.now_ms), options.state ?? 'full'],
      ...(options.time_max_ms === undefined ? {} : { time_max_ms: options.time_max_ms }),
    },
    lags: async () =>
      new Map(
        [0, 1, 2, 3].map((bucket) => [
          bucket,
          { seconds: options.state === 'empty' ? 0 : 1.2 + bucket / 2, stopped: options.stopped === bucket },
        ]),
      ),
    clock: machineClock,
    random: machineRandom,
    host: '127.0.0.1',
    port: options.port ?? 0,
    note: options.note ?? (() => undefined),
  })
}

/** For tests only: so many hubs, `demo-01` and on, and one token, `hearth_sample`, for the principal. */
export function sampleRegistry(count: number, principal: Principal): Registry {
  const hubs = Array.from(
    { length: count },
    (_, index): HubRecord => ({
      hub: `demo-${String(index + 1).padStart(2, '0')}`,
      home: `home-${String(index + 1).padStart(2, '0')}`,
      region: index % 2 === 0 ? 'eu-west' : 'eu-north',
      model: 'hearth-one',
      zone: 'Europe/Berlin',
      generation: 1,
      enrolled_ms: 0,
      maintenance: [],
    }),
  )
  return {
    fleet: 'sample',
    boot: '1-1-00000000',
    wall_ms: 0,
    hubs: () => hubs,
    hub: (name) => hubs.find((hub) => hub.hub === name),
    changes: () => [],
    verifyToken: (token) => {
      if (token !== 'hearth_sample') throw new Problem('unauthorized', 'this access link is not known, or was revoked')
      return principal
    },
    allows: () => ({ ok: false, reason: 'the sample registry has no certificates' }),
    watch: () => () => undefined,
    stale_ms: () => 0,
    close: () => Promise.resolve(),
  }
}
