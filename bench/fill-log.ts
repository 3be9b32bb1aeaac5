import { machineClock as clock } from '../cli/machine.ts'
import type { EventLog } from '../ingest/event-log.ts'
import { openGateway } from '../ingest/gateway.ts'
import { openPace } from '../ingest/pace.ts'
import type { WorkloadBatch } from './workload.ts'

/** Batches that the gateway is given at once. */
const AT_ONCE = 200

/** Puts batches into a log, through the gateway, as they would come; no hub is slowed. */
export async function fillLog(log: EventLog, made: readonly WorkloadBatch[]): Promise<void> {
  const pace = openPace(clock, { events_per_second: 1e9, burst: 1e9 })
  const gateway = openGateway({ log, layout: { epoch: 1, buckets: log.buckets }, clock, pace })
  for (let i = 0; i < made.length; i += AT_ONCE) {
    const some = made.slice(i, i + AT_ONCE)
    await Promise.all(
      some.map(({ hub, bytes }) => gateway.receive({ source: hub, role: 'hub', generation: 1 }, bytes, 'mqtt')),
    )
  }
}
