import { describe, expect, test } from 'vitest'
import { logId, misfits } from './kafka-topic.ts'

const topic = {
  cluster_id: 'a-cluster',
  id: '00000000-0000-0000-0000-000000000001',
  partitions: Array.from({ length: 4 }, () => ({ leader: 1, replicas: [1, 2, 3] })),
}
const settings = {
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'min.insync.replicas': '2',
  'max.message.bytes': '2097152',
  'unclean.leader.election.enable': 'false',
}
const demands = { buckets: 4, replication: 3, min_insync: 2, make: true }

describe('a topic of the event log', () => {
  test('fits as Hearth itself makes it', () => {
    expect(misfits(topic, settings, demands)).toEqual([])
  })

  test.each([
    ['min.insync.replicas', '1', /min.insync.replicas is 1, less than the 2/],
    ['retention.bytes', '1000000', /retention.bytes is 1000000: it must be -1/],
    ['retention.ms', '604800000', /retention.ms is 604800000: it must be -1/],
    ['cleanup.policy', 'compact,delete', /cleanup.policy is compact,delete/],
    ['max.message.bytes', '1048588', /max.message.bytes is 1048588: a batch of a hub needs 1114112/],
    ['unclean.leader.election.enable', 'true', /unclean.leader.election.enable is not false/],
  ])('does not fit with %s = %s', (name, value, found) => {
    const wrong = misfits(topic, { ...settings, [name]: value }, demands)
    expect(wrong).toEqual([expect.stringMatching(found)])
  })

  test('does not fit with another number of partitions, or with too few copies of one', () => {
    const few = topic.partitions.with(2, { leader: 1, replicas: [1] })
    const wrong = misfits({ ...topic, partitions: [...few, ...topic.partitions] }, settings, demands)
    expect(wrong).toEqual([
      expect.stringMatching(/8 partitions, and the lake 4 buckets/),
      expect.stringMatching(/1 copies/),
    ])
  })

  test('does not fit where its settings may not be read', () => {
    expect(misfits(topic, {}, demands)).toHaveLength(6)
  })

  test('has an id of its own, which another topic of the same name does not have', () => {
    expect(logId(topic)).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(logId({ ...topic, id: '00000000-0000-0000-0000-000000000002' })).not.toBe(logId(topic))
    expect(logId({ ...topic, cluster_id: 'another' })).not.toBe(logId(topic))
  })
})
