import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Admin } from '@platformatic/kafka'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { type Kafka, startKafka } from '../infra/kafka/kafka.ts'
import { type KafkaShareOptions, openKafkaShare } from './kafka-share.ts'

const BUCKETS = 16
const SESSION_MS = 4_000

let kafka: Kafka
let groups = 0
beforeAll(async () => {
  kafka = await startKafka({ brokers: 1 })
  await kafka.admin.createTopic('shared', { partitions: BUCKETS, replicas: 1 })
})
afterAll(() => kafka[Symbol.asyncDispose]())

const options = (group: string): KafkaShareOptions => ({
  ...{ brokers: kafka.bootstrap.split(','), topic: 'shared', group, buckets: BUCKETS, clock: machineClock },
  ...{ session_ms: SESSION_MS },
})

/** Prints its buckets at each change. */
const CHILD = `
const { openKafkaShare } = await import('${join(import.meta.dirname, 'kafka-share.ts')}')
const { machineClock: clock } = await import('${join(import.meta.dirname, '..', 'cli', 'machine.ts')}')
const share = await openKafkaShare({ ...JSON.parse(process.argv[1]), clock })
share.watch(() => console.log(JSON.stringify(share.buckets())))
`

/** A member in a process of its own, to be killed and stopped. */
type Member = { buckets(): readonly number[]; changes(): number; readonly child: ChildProcess }

function startMember(group: string): Member {
  const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD, JSON.stringify(options(group))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const heard: (readonly number[])[] = []
  createInterface(child.stdout).on('line', (line) => heard.push(JSON.parse(line)))
  return { buckets: () => heard.at(-1) ?? [], changes: () => heard.length, child }
}

/** The sizes of the shares once each bucket is exactly one member's. */
async function settled(members: readonly { buckets(): readonly number[] }[], sizes: readonly number[]): Promise<void> {
  const look = () => {
    const all = members.flatMap((member) => member.buckets())
    const each = new Set(all).size === BUCKETS && all.length === BUCKETS
    return each ? members.map((member) => member.buckets().length).toSorted((a, b) => a - b) : all.length
  }
  await expect.poll(look, { timeout: 60_000, interval: 50 }).toEqual(sizes)
}

test('three members have each bucket once; what one leaves by close, kill -9 or a long pause the others take', async () => {
  const group = `group-${groups++}`
  const first = await openKafkaShare(options(group))
  await settled([first], [16])
  const second = startMember(group)
  await settled([first, second], [8, 8])
  const third = startMember(group)
  await settled([first, second, third], [5, 5, 6])

  // A long pause: the others take over, and the one that slept is told, drops what it had, and comes again.
  const before = second.changes()
  second.child.kill('SIGSTOP')
  await settled([first, third], [8, 8])
  second.child.kill('SIGCONT')
  await settled([first, second, third], [5, 5, 6])
  expect(second.changes()).toBeGreaterThan(before)

  third.child.kill('SIGKILL')
  await settled([first, second], [8, 8])
  await first.close()
  expect(first.buckets()).toEqual([])
  await settled([second], [16])
  second.child.kill('SIGKILL')
})

test('a share stays as it is while the brokers are away, and is given anew by a group that knows nobody', async () => {
  const group = `group-${groups++}`
  const notes: string[] = []
  const share = await openKafkaShare({ ...options(group), note: (reason) => notes.push(reason) })
  await settled([share], [16])
  const [broker] = kafka.brokers
  await broker?.kill()
  await expect.poll(() => notes, { timeout: 20_000 }).toContainEqual(expect.stringMatching(/group group-\d/))
  expect(share.buckets()).toHaveLength(16)
  await broker?.restart()
  const other = await openKafkaShare(options(group))
  await settled([share, other], [8, 8])
  await other.close()
  await settled([share], [16])
  await share.close()
})

test('how far the table has read is shown by the tools of Kafka', async () => {
  const group = `group-${groups++}`
  const share = await openKafkaShare({ ...options(group), position: (bucket) => bucket + 1 })
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: kafka.bootstrap.split(',') })
  const committed = async () => {
    const offsets = await admin.listConsumerGroupOffsets({
      groups: [{ groupId: group, topics: [{ name: 'shared', partitionIndexes: [0, 7] }] }],
    })
    return offsets[0]?.topics[0]?.partitions.map((partition) => Number(partition.committedOffset))
  }
  await expect.poll(committed, { timeout: 20_000 }).toEqual([1, 8])
  await admin.close()
  await share.close()
})
