/** The events of a workload as peers read them best: one a message, plain JSON, its fields named as the columns are. */
import { Producer } from '@platformatic/kafka'
import { codecOf } from '../../contract/batch.ts'
import { bucketOf } from '../../contract/bucket.ts'
import { EVENT_FIELDS, type Event, eventTime } from '../../contract/event.ts'
import type { StreamColumn } from '../../infra/stream.ts'
import { inflate, readPayload } from '../../ingest/payload.ts'
import type { WorkloadBatch } from '../workload.ts'

export const COLUMNS: readonly StreamColumn[] = [
  ...(['hub_id', 'boot_id', 'stream'] as const).map((name) => ({ name, type: 'text' as const })),
  ...(['seq', 'event_ms', 'issued_ms'] as const).map((name) => ({ name, type: 'integer' as const })),
  ...(['mono_ms', 'value', 'duration_ms'] as const).map((name) => ({ name, type: 'number' as const })),
  ...['kind', 'device_id', 'attribute', 'text', 'unit', 'command_id', 'stage', 'reason'].map((name) => {
    return { name, type: 'text' as const }
  }),
  { name: 'extra', type: 'map' },
]

const FIELDS = new Set<string>(EVENT_FIELDS)

/** Puts each good event of the batches into its hub's partition; resolves with the bytes of the messages. */
export async function fillTopic(
  broker: string,
  topic: string,
  partitions: number,
  made: readonly WorkloadBatch[],
): Promise<number> {
  const producer = new Producer({ clientId: 'bench', bootstrapBrokers: [broker], idempotent: true })
  let bytes = 0
  for (const batch of made) {
    if (batch.resent) continue
    const [partition, key] = [bucketOf(batch.hub, partitions), Buffer.from(batch.hub)]
    const values = (await messagesOf(batch)).map((text) => Buffer.from(text))
    bytes += values.reduce((sum, value) => sum + value.length, 0)
    await producer.send({ messages: values.map((value) => ({ topic, partition, key, value })) })
  }
  await producer.close()
  return bytes
}

async function messagesOf(batch: WorkloadBatch): Promise<readonly string[]> {
  const { header, lines } = readPayload(await inflate(batch.bytes, codecOf(batch.bytes)))
  const whence = { hub_id: batch.hub, boot_id: header.boot, stream: header.stream }
  return lines
    .toString()
    .trimEnd()
    .split('\n')
    .flatMap((line, index) => {
      const event = eventOf(line)
      if (!event) return []
      const { m, kind, device, attribute, value, text, unit, command, issued, stage, ms, reason } = event
      const others = Object.entries(event).filter(([name]) => !FIELDS.has(name))
      const message = {
        ...{
          ...whence,
          seq: header.first + index,
          event_ms: eventTime({ now_ms: header.now ?? Number.NaN, wall_ms: header.wall }, m, header.wall),
          mono_ms: m,
        },
        ...{ kind, device_id: device, attribute, value, text, unit, command_id: command, issued_ms: issued, stage },
        ...{ duration_ms: ms, reason },
        ...(others.length > 0 && { extra: Object.fromEntries(others.map(([name, one]) => [name, String(one)])) }),
      }
      return [JSON.stringify(message)]
    })
}

/** Undefined for a malformed line: peers are spared those. */
function eventOf(line: string): Event | undefined {
  try {
    const found: Event = JSON.parse(line)
    return typeof found.kind === 'string' && typeof found.m === 'number' ? found : undefined
  } catch {
    return undefined
  }
}
