import type { Positioned } from './event-log.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { type FetchAnswer, type KafkaFetch, OFFSET_OUT_OF_RANGE } from './kafka-fetch.ts'
import { positioned, type StoredRecord, storedRecords } from './kafka-record.ts'
import { KAFKA_AHEAD_BYTES, KAFKA_AHEAD_TOTAL_BYTES, KAFKA_READ_MAX_MS } from './limits.ts'

/** Records of a bucket that are here before they are asked for. Another begins when somebody reads from elsewhere. */
type Ahead = {
  readonly records: StoredRecord[]
  /** The position to be read next, and the one after the last record that is here. */
  start: number
  next: number
  bytes: number
  /** The end of the log as last heard. */
  end: number
  filling: Promise<void> | undefined
}

export type KafkaReader = {
  read(bucket: number, from: number, maxBytes: number): Promise<readonly Positioned[]>
  /** Takes what an answer brought, where it continues what is here. */
  feed(bucket: number, from: number, answer: FetchAnswer): void
  /** Forgets everything: the log is another one. */
  forget(): void
}

/** Reads partitions from their leaders, and ahead of the reader, so that a backlog comes as fast as it is taken. */
export function kafkaReader({
  cluster,
  fetch,
  lake_id,
}: {
  readonly cluster: KafkaCluster
  readonly fetch: KafkaFetch
  readonly lake_id: string
}): KafkaReader {
  const of = { topic: cluster.name, lake_id }
  const aheads = new Map<number, Ahead>()
  const total = () => [...aheads.values()].reduce((sum, { bytes }) => sum + bytes, 0)

  const hasRoom = ({ bytes }: Ahead) => bytes < KAFKA_AHEAD_BYTES / 2 && total() < KAFKA_AHEAD_TOTAL_BYTES

  function aheadOf(bucket: number, from: number): Ahead {
    const found = aheads.get(bucket)
    // The last that was read is the last in the map.
    aheads.delete(bucket)
    if (found?.start === from) {
      aheads.set(bucket, found)
      return found
    }
    const ahead = { records: [], start: from, next: from, bytes: 0, end: 0, filling: undefined }
    aheads.set(bucket, ahead)
    return ahead
  }

  /** What is there from `ahead.next` on, after its first record where that is further on. */
  async function fill(bucket: number, ahead: Ahead): Promise<void> {
    const leader = await fetch.leaderOf(bucket)
    const [answer] = await fetch.fetch('read', leader, [{ bucket, from: ahead.next }], 0, KAFKA_AHEAD_BYTES / 2)
    if (answer?.errorCode !== OFFSET_OUT_OF_RANGE) {
      if (!answer || answer.errorCode !== 0)
        throw new cluster.kafka.ProtocolError(answer?.errorCode ?? 'UNKNOWN_SERVER_ERROR')
      take(ahead, answer)
      return
    }
    const { first, next } = await fetch.bounds(bucket)
    ahead.end = next
    if (first > ahead.next) {
      ahead.next = first
      await fill(bucket, ahead)
    }
  }

  function take(ahead: Ahead, answer: FetchAnswer): void {
    const records = storedRecords(answer.records, ahead.next)
    ahead.records.push(...records)
    ahead.bytes += records.reduce((sum, { bytes }) => sum + bytes, 0)
    ahead.next = (records.at(-1)?.position ?? ahead.next - 1) + 1
    ahead.end = Number(answer.highWatermark) + 1
  }

  /** Asks for more before it is wanted, where there is more. What fails here is asked for again by the next read. */
  function readAhead(bucket: number, ahead: Ahead): void {
    makeRoom(bucket)
    if (ahead.filling || ahead.next >= ahead.end || !hasRoom(ahead)) return
    ahead.filling = fill(bucket, ahead)
      .catch(() => undefined)
      .finally(() => (ahead.filling = undefined))
  }

  /** What nobody read for the longest time goes first: of a bucket that another writer has now, nobody will. */
  function makeRoom(bucket: number): void {
    for (const one of aheads.keys()) {
      if (total() < KAFKA_AHEAD_TOTAL_BYTES || one === bucket) return
      aheads.delete(one)
    }
  }

  function serve(bucket: number, ahead: Ahead, maxBytes: number): readonly Positioned[] {
    const served: Positioned[] = []
    let bytes = 0
    for (const one of ahead.records) {
      bytes += one.bytes
      if (served.length > 0 && bytes > maxBytes) break
      try {
        served.push(positioned(of, bucket, one))
      } catch (error) {
        // What came before it can be read all the same.
        if (served.length === 0) throw error
        break
      }
    }
    const taken = ahead.records.splice(0, served.length)
    ahead.bytes -= taken.reduce((sum, one) => sum + one.bytes, 0)
    ahead.start = (served.at(-1)?.position ?? ahead.start - 1) + 1
    return served
  }

  return {
    async read(bucket, from, maxBytes) {
      for (;;) {
        const ahead = aheadOf(bucket, from)
        if (ahead.records.length === 0) await ahead.filling
        if (ahead.records.length === 0)
          await cluster.retry(`read of bucket ${bucket}`, KAFKA_READ_MAX_MS, () => fill(bucket, ahead))
        // Another read of this bucket may have taken it meanwhile.
        if (ahead.start !== from) continue
        const served = serve(bucket, ahead, maxBytes)
        readAhead(bucket, ahead)
        return served
      }
    },
    feed(bucket, from, answer) {
      const ahead = aheads.get(bucket)
      if (ahead?.next === from && !ahead.filling && hasRoom(ahead)) take(ahead, answer)
    },
    forget: () => aheads.clear(),
  }
}
