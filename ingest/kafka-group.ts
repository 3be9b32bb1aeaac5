import type { joinGroupV7 } from '@platformatic/kafka'
import { assignBuckets } from './assign.ts'
import type { KafkaCluster } from './kafka-cluster.ts'

/** A member of a group in one generation of it. */
export type Membership = { readonly member: string; readonly generation: number; readonly buckets: readonly number[] }

const PROTOCOL_TYPE = 'consumer'
/** Members that divide in another way are refused by the coordinator. */
const PROTOCOL = 'hearth-1'
/** Of the subscription: the first version that tells what a member holds. */
const SUBSCRIPTION_VERSION = 1

/**
 * The requests of Kafka's group protocol (the classic one, which every broker speaks), in the form of a consumer's, so that
 * Kafka's own tools show who has which partition. The client's own errors.
 */
export function kafkaGroup(options: {
  readonly cluster: KafkaCluster
  readonly group: string
  readonly buckets: number
  readonly session_ms: number
}) {
  const { cluster, group, buckets, session_ms } = options
  const { kafka } = cluster
  const topic = cluster.name
  const partitionsOf = (held: readonly number[]) => [{ topic, partitions: [...held] }]

  /** The assignments, by the member that the coordinator made the leader; of the others none. */
  function divide({ leader, memberId, members }: joinGroupV7.JoinGroupResponse) {
    if (leader !== memberId) return []
    const holders = members.map(({ memberId: id, metadata }) => {
      const { ownedPartitions } = kafka.decodeConsumerProtocolSubscription(metadata)
      return { id, holds: ownedPartitions.flatMap((owned) => (owned.topic === topic ? owned.partitions : [])) }
    })
    return [...assignBuckets(holders, buckets)].map(([id, share]) => ({
      memberId: id,
      assignment: kafka.encodeConsumerProtocolAssignment({ version: 1, assignedPartitions: partitionsOf(share) }),
    }))
  }

  return {
    async coordinator(): Promise<number> {
      await cluster.topic()
      const { coordinators } = await cluster.ask('where', undefined, (connection) =>
        kafka.findCoordinatorV4.api.async(connection, kafka.FindCoordinatorKeyTypes.GROUP, [group]),
      )
      return coordinators[0]?.nodeId ?? -1
    },
    /** Waits until all members are there, or were silent for `session_ms`. `member` is empty the first time. */
    async join(coordinator: number, member: string, held: readonly number[]): Promise<Membership> {
      const subscription = { version: SUBSCRIPTION_VERSION, topics: [topic], ownedPartitions: partitionsOf(held) }
      const protocols = [{ name: PROTOCOL, metadata: kafka.encodeConsumerProtocolSubscription(subscription) }]
      const ask = (id: string) =>
        cluster.ask('join', coordinator, (connection) =>
          kafka.joinGroupV7.api.async(connection, group, session_ms, session_ms, id, null, PROTOCOL_TYPE, protocols),
        )
      const joined = await ask(member).catch(async (error: unknown) => {
        // A member without an id is given one, and asked to come again with it.
        const given = kafka.findErrorBy(error instanceof Error ? error : null, 'apiId', 'MEMBER_ID_REQUIRED')
        const id: unknown = given?.['memberId']
        if (typeof id !== 'string') throw error
        return await ask(id)
      })
      const { memberId, generationId } = joined
      const { assignment } = await cluster.ask('join', coordinator, (connection) =>
        kafka.syncGroupV5.api.async(
          ...[connection, group, generationId, memberId, null, PROTOCOL_TYPE, PROTOCOL, divide(joined)],
        ),
      )
      const { assignedPartitions } = kafka.decodeConsumerProtocolAssignment(assignment)
      const mine = assignedPartitions.flatMap((assigned) => (assigned.topic === topic ? assigned.partitions : []))
      return { member: memberId, generation: generationId, buckets: mine.toSorted((a, b) => a - b) }
    },
    async heartbeat(coordinator: number, { member, generation }: Membership): Promise<void> {
      await cluster.ask('where', coordinator, (connection) =>
        kafka.heartbeatV4.api.async(connection, group, generation, member, null),
      )
    },
    /** Tells how far the table has read, for tools that show what is left. */
    async commit(
      coordinator: number,
      { member, generation }: Membership,
      offsets: ReadonlyMap<number, number>,
    ): Promise<void> {
      const partitions = [...offsets].map(([bucket, offset]) => ({
        ...{ partitionIndex: bucket, committedOffset: BigInt(offset), committedLeaderEpoch: -1, committedMetadata: '' },
      }))
      await cluster.ask('where', coordinator, (connection) =>
        kafka.offsetCommitV8.api.async(connection, group, generation, member, null, [{ name: topic, partitions }]),
      )
    },
    async leave(coordinator: number, member: string): Promise<void> {
      await cluster.ask('where', coordinator, (connection) =>
        kafka.leaveGroupV4.api.async(connection, group, [{ memberId: member, groupInstanceId: null }]),
      )
    },
  }
}
