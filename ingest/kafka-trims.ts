import { type Clock, sleep } from '../contract/clock.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { KAFKA_REQUEST_MS, KAFKA_TRIM_MS } from './limits.ts'

export type KafkaTrims = {
  /** Records of `bucket` below position `to` are of no use any more. */
  add(bucket: number, to: number): void
  /** The first position that was not given up; 1 where none was. */
  first(bucket: number): number
  forget(): void
  /** Asks for what is left, once. */
  close(): Promise<void>
}

/**
 * Deletes records at most every KAFKA_TRIM_MS, all buckets of a broker in one request. What fails is asked for again the
 * next time: a record that stays longer than it must costs disk and nothing else.
 */
export function kafkaTrims(options: {
  readonly cluster: KafkaCluster
  readonly clock: Clock
  leaderOf(bucket: number): Promise<number>
}): KafkaTrims {
  const { cluster, clock } = options
  const firsts = new Map<number, number>()
  const pending = new Map<number, number>()
  const closing = new AbortController()
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    while (pending.size > 0 && !closing.signal.aborted) {
      await deleteRecords()
      await sleep(clock, KAFKA_TRIM_MS, closing.signal).catch(() => undefined)
    }
    running = undefined
  }

  async function deleteRecords(): Promise<void> {
    const byLeader = new Map<number, { partitionIndex: number; offset: bigint }[]>()
    for (const [bucket, to] of pending) {
      const leader = await options.leaderOf(bucket).catch(() => undefined)
      if (leader === undefined) continue
      const partitions = byLeader.get(leader) ?? []
      partitions.push({ partitionIndex: bucket, offset: BigInt(to - 1) })
      byLeader.set(leader, partitions)
    }
    for (const [leader, partitions] of byLeader) {
      const topics = [{ name: cluster.name, partitions }]
      const done = await cluster
        .ask('read', leader, (connection) =>
          cluster.kafka.deleteRecordsV2.api.async(connection, topics, KAFKA_REQUEST_MS - 1_000),
        )
        .then(
          () => true,
          () => false,
        )
      for (const { partitionIndex: bucket, offset } of done ? partitions : [])
        if (pending.get(bucket) === Number(offset) + 1) pending.delete(bucket)
    }
  }

  return {
    add(bucket, to) {
      if (to <= (firsts.get(bucket) ?? 1)) return
      firsts.set(bucket, to)
      pending.set(bucket, to)
      running ??= run()
    },
    first: (bucket) => firsts.get(bucket) ?? 1,
    forget() {
      firsts.clear()
      pending.clear()
    },
    async close() {
      closing.abort()
      await running
      if (pending.size > 0) await deleteRecords()
    },
  }
}
