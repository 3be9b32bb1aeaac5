import { type Clock, sleep } from '../contract/clock.ts'
import { messageOf } from '../contract/problem.ts'
import { type KafkaConnection, openKafkaCluster } from './kafka-cluster.ts'
import { kafkaGroup, type Membership } from './kafka-group.ts'
import { kafkaProblem, kafkaReasons } from './kafka-problem.ts'
import { KAFKA_HEARTBEATS, KAFKA_LAG_MS, KAFKA_RETRY_FIRST_MS, KAFKA_RETRY_MAX_MS, KAFKA_SESSION_MS } from './limits.ts'
import type { Share } from './share.ts'

/** Answers that end a membership: others may have its buckets. */
const FENCED = ['UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID', 'ILLEGAL_GENERATION']
const OTHERS_CAME = 'REBALANCE_IN_PROGRESS'

export type KafkaShareOptions = KafkaConnection & {
  readonly topic: string
  /** Of this lake and layout: writers with the same one share its buckets. */
  readonly group: string
  readonly buckets: number
  readonly clock: Clock
  readonly session_ms?: number
  /** How far the table has read a bucket; told to the group, where Kafka's tools show it. */
  position?(bucket: number): number
  /** Told why the group was lost, each time another reason. */
  note?(reason: string): void
}

/**
 * Buckets shared among writers as Kafka shares partitions among the consumers of a group. It begins with none, and while the
 * coordinator cannot be reached it stays as it is; a member that is told that it is none any more has none until it is again.
 * Raises `unauthorized` where the group is not allowed, and nothing while brokers are away.
 */
export async function openKafkaShare(options: KafkaShareOptions): Promise<Share> {
  const { clock, session_ms = KAFKA_SESSION_MS } = options
  const cluster = await openKafkaCluster({ ...options, join_ms: session_ms })
  const group = kafkaGroup({ cluster, group: options.group, buckets: options.buckets, session_ms })
  const closing = new AbortController()
  const watchers = new Set<() => void>()
  const told = new Map<number, number>()
  let buckets: readonly number[] = []
  /** The id that the coordinator gave, and what it is worth: without a membership it joins. */
  let member = ''
  let membership: Membership | undefined
  let coordinator: number | undefined
  let lag_ms = clock.monotonic()
  let reason = ''

  function take(next: readonly number[]): void {
    if (String(next) === String(buckets)) return
    buckets = next
    for (const changed of watchers) changed()
  }

  async function run(): Promise<void> {
    let pause_ms = KAFKA_RETRY_FIRST_MS
    while (!closing.signal.aborted) {
      try {
        coordinator ??= await group.coordinator()
        membership ??= await join(coordinator)
        await sleep(clock, session_ms / KAFKA_HEARTBEATS, closing.signal)
        await group.heartbeat(coordinator, membership)
        await tellLag(coordinator, membership)
        pause_ms = KAFKA_RETRY_FIRST_MS
        reason = ''
      } catch (error) {
        if (closing.signal.aborted) break
        recover(error)
        await sleep(clock, pause_ms, closing.signal).catch(() => undefined)
        pause_ms = Math.min(KAFKA_RETRY_MAX_MS, pause_ms * 2)
      }
    }
  }

  async function join(at: number): Promise<Membership> {
    const joined = await group.join(at, member, buckets)
    member = joined.member
    if (!closing.signal.aborted) take(joined.buckets)
    return joined
  }

  /** What is left of the membership after a failure. */
  function recover(error: unknown): void {
    const { codes } = kafkaReasons(error)
    if (codes.includes(OTHERS_CAME)) membership = undefined
    else if (codes.some((code) => FENCED.includes(code))) {
      take([])
      membership = undefined
      if (!codes.includes('ILLEGAL_GENERATION')) member = ''
    } else {
      coordinator = undefined
      const found = messageOf(kafkaProblem(`group ${options.group}`, error))
      if (found !== reason) options.note?.(found)
      reason = found
    }
  }

  /** For people alone, so that a failure is left to the next time. */
  async function tellLag(at: number, member: Membership): Promise<void> {
    if (!options.position || clock.monotonic() - lag_ms < KAFKA_LAG_MS) return
    lag_ms = clock.monotonic()
    const news = new Map<number, number>()
    for (const bucket of buckets) {
      const position = options.position(bucket)
      if (position > 0 && told.get(bucket) !== position) news.set(bucket, position)
    }
    if (news.size === 0) return
    await group.commit(at, member, news)
    for (const [bucket, position] of news) told.set(bucket, position)
  }

  const running = run()
  return {
    buckets: () => buckets,
    watch(changed) {
      watchers.add(changed)
      return () => watchers.delete(changed)
    },
    async close() {
      if (closing.signal.aborted) return
      closing.abort()
      take([])
      if (coordinator !== undefined && member !== '')
        // Those that are not told learn of it when the session is over.
        await group.leave(coordinator, member).catch((error: unknown) => options.note?.(messageOf(error)))
      await cluster.close()
      await running
    },
  }
}
