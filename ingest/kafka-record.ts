import type { KafkaRecord, MessageRecord, RecordsBatch } from '@platformatic/kafka'
import { Problem } from '../contract/problem.ts'
import type { Positioned } from './event-log.ts'
import { parseRecord } from './log-form.ts'

/** Headers of a record in Kafka: everything of it but the value, as log-form.ts writes it, and the id of the lake that it is for. */
export const HEADER = Buffer.from('hearth')
export const LAKE_HEADER = Buffer.from('lake')
/** Kafka's own bytes of a record, and of a group of them, at most. */
const RECORD_FRAME_BYTES = 64
export const GROUP_FRAME_BYTES = 128
/** Of a batch that a broker wrote itself. */
const CONTROL_BIT = 1 << 5

export type StoredRecord = { readonly position: number; readonly record: KafkaRecord; readonly bytes: number }

/** Bytes that a record takes on the wire, at most. */
export function recordBytes({ key, value, headers }: MessageRecord): number {
  let bytes = RECORD_FRAME_BYTES + value.length + (key?.length ?? 0)
  for (const [name, text] of headers ?? []) bytes += name.length + text.length
  return bytes
}

/** Records at or past position `from`. A broker sends whole batches, which may begin before what was asked for. */
export function storedRecords(batches: readonly RecordsBatch[] | null | undefined, from: number): StoredRecord[] {
  const stored: StoredRecord[] = []
  for (const batch of batches ?? []) {
    if ((batch.attributes & CONTROL_BIT) !== 0) continue
    for (const record of batch.records) {
      const position = Number(batch.firstOffset) + record.offsetDelta + 1
      if (position >= from) stored.push({ position, record, bytes: record.value?.length ?? 0 })
    }
  }
  return stored
}

/** Raises `corrupt` for a record that is not of Hearth, is of a newer form, or is for another lake. */
export function positioned(
  { topic, lake_id }: { readonly topic: string; readonly lake_id: string },
  bucket: number,
  { position, record }: StoredRecord,
): Positioned {
  const header = headerOf(record, HEADER)
  const where = () => `topic ${topic}, partition ${bucket}, offset ${position - 1}`
  if (!header || !record.value) {
    throw new Problem(
      'corrupt',
      `${where()}: expected a record with a header hearth and a value: something else writes there`,
    )
  }
  const other = otherLake(record, lake_id)
  if (other !== undefined)
    throw new Problem('corrupt', `${where()}: a batch for the lake ${other}, not for ${lake_id}: ${OTHER_TOPIC}`)
  return { position, record: parseRecord(header.toString(), record.value) }
}

export const OTHER_TOPIC = 'a topic holds one lake: name another in kafka.topic of one of them'

/** The lake that a record is for when it is not this one. */
export function otherLake(record: KafkaRecord, lake_id: string): string | undefined {
  const lake = headerOf(record, LAKE_HEADER)?.toString()
  return lake === lake_id ? undefined : lake
}

function headerOf({ headers }: KafkaRecord, wanted: Buffer): Buffer | undefined {
  return headers.find(([name]) => name !== null && wanted.equals(name))?.[1] ?? undefined
}
