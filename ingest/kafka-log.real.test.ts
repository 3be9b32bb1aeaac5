import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Producer } from '@platformatic/kafka'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { KAFKA_USER, type Kafka, startKafka } from '../infra/kafka/kafka.ts'
import { eventLogConformance, logRecord } from './event-log.conformance.ts'
import type { EventLog } from './event-log.ts'
import { type KafkaLogOptions, openKafkaLog } from './kafka-log.ts'
import { account } from './testing/kafka-load.ts'

let kafka: Kafka
let topics = 0
beforeAll(async () => {
  kafka = await startKafka({ brokers: 1 })
})
afterAll(() => kafka[Symbol.asyncDispose]())

const options = (topic: string): KafkaLogOptions => ({
  ...{ brokers: kafka.bootstrap.split(','), topic, lake_id: 'lake-a', clock: machineClock },
  ...{ buckets: 4, replication: 1, min_insync: 1, make: true },
})

eventLogConformance('kafka-log', async () => {
  const topic = `conformance-${topics++}`
  return {
    open: () => openKafkaLog(options(topic)),
    // Killing the process is tested below; here the brokers are only left.
    crash: (log) => log.close(),
    dispose: () => kafka.admin.deleteTopic(topic),
  }
})

async function withLog(work: (log: EventLog, topic: string) => Promise<void>): Promise<void> {
  const topic = `log-${topics++}`
  const log = await openKafkaLog(options(topic))
  try {
    await work(log, topic)
  } finally {
    await log.close()
  }
}

const texts = async (log: EventLog, bucket: number, from: number) =>
  (await log.read(bucket, from, 1e6)).map(
    ({ position, record }) => `${position} ${Buffer.from(record.value).toString()}`,
  )

describe('a topic', () => {
  test('that does not fit is refused, with everything that is wrong with it', async () => {
    const configs = { 'cleanup.policy': 'compact', 'retention.ms': '1000' }
    await kafka.admin.createTopic('unfit', { partitions: 3, replicas: 1, configs })
    await expect(openKafkaLog(options('unfit'))).rejects.toThrow(
      /topic unfit cannot be the event log: it has 3 partitions, and the lake 4 buckets; cleanup.policy is compact.*; retention.ms is 1000/,
    )
  })

  test('with more copies than there are brokers cannot be made; the setting is named, and how many there are', async () => {
    await expect(openKafkaLog({ ...options('copies'), replication: 3, min_insync: 2 })).rejects.toThrow(
      /topic copies cannot be made: kafka.replication is 3, and the brokers are 1: .*kafka.min_insync/,
    )
  })

  test('that is not there is missing, when it must not be made', async () => {
    await expect(openKafkaLog({ ...options('none'), make: false })).rejects.toMatchObject({ kind: 'missing' })
  })

  test('that was deleted is missing to those that read, wait and append', async () => {
    await withLog(async (log, topic) => {
      await log.append(0, logRecord('a'))
      const waiting = log.waitFor(1, 1, new AbortController().signal)
      const [waited, read, appended] = [waiting, log.read(0, 2, 1e6), log.append(0, logRecord('b'))].map((promise) =>
        promise.then(
          () => 'done',
          (error: { kind: string }) => error.kind,
        ),
      )
      expect(await read).toBe('done')
      expect(await appended).toBe('done')
      await kafka.admin.deleteTopic(topic)
      expect(await waited).toBe('missing')
      await expect(log.read(0, 9, 1e6)).rejects.toMatchObject({ kind: 'missing' })
      await expect(log.append(0, logRecord('c'))).rejects.toMatchObject({ kind: 'missing' })
    })
  })

  test('that was made anew is never read as the old one, and is another log once it is identified', async () => {
    await withLog(async (log, topic) => {
      await log.append(0, logRecord('old'))
      expect(await texts(log, 0, 1)).toEqual(['1 old'])
      const { id } = log
      const waiting = log.waitFor(1, 1, new AbortController().signal).catch((error: unknown) => error)
      await kafka.admin.deleteTopic(topic)
      const other = await openKafkaLog(options(topic))
      await other.append(0, logRecord('new'))
      // On a slow machine the brokers may have no such topic for so long that it is missing by then.
      expect(await waiting).toMatchObject({ kind: expect.stringMatching(/^(conflict|missing)$/) })
      await expect(log.read(0, 2, 1e6)).rejects.toThrow(/was made anew/)
      await expect(log.bounds(0)).rejects.toMatchObject({ kind: 'conflict' })
      expect(await log.append(0, logRecord('from a gateway'))).toBe(2)
      expect(log.id).toBe(id)
      await log.identify?.()
      expect(log.id).toBe(other.id)
      expect(log.id).not.toBe(id)
      expect(await texts(log, 0, 1)).toEqual(['1 new', '2 from a gateway'])
      await other.close()
    })
  })

  test('of another lake is refused by its id, and what it adds is not read as if it were ours', async () => {
    await withLog(async (log, topic) => {
      // While it is empty nobody can tell.
      const other = await openKafkaLog({ ...options(topic), lake_id: 'lake-b' })
      await log.append(0, logRecord('ours'))
      await other.append(0, logRecord('theirs'))
      expect(await texts(log, 0, 1)).toEqual(['1 ours'])
      await expect(log.read(0, 2, 1e6)).rejects.toThrow(/offset 1: a batch for the lake lake-b, not for lake-a/)
      await expect(other.read(0, 1, 1e6)).rejects.toMatchObject({ kind: 'corrupt' })
      await other.close()
      await expect(openKafkaLog(options(topic))).rejects.toThrow(/holds batches for the lake lake-b: .*kafka.topic/)
      // What the lake has of it must stay within reach.
      const known = await openKafkaLog({ ...options(topic), hasRead: async (id) => id === log.id })
      expect(await texts(known, 0, 1)).toEqual(['1 ours'])
      await known.close()
    })
  })

  test('whose first records somebody deleted begins later', async () => {
    await withLog(async (log, topic) => {
      for (const text of ['a', 'b', 'c']) await log.append(0, logRecord(text))
      await kafka.admin.deleteRecords(topic, 0, 2)
      expect(await log.bounds(0)).toEqual({ first: 3, next: 4 })
      expect(await texts(log, 0, 1)).toEqual(['3 c'])
    })
  })

  test('is trimmed on the brokers too, never past what was said', async () => {
    await withLog(async (log, topic) => {
      for (const text of ['a', 'b', 'c']) await log.append(0, logRecord(text))
      await log.trim(0, 3)
      const other = await openKafkaLog(options(topic))
      await expect.poll(() => other.bounds(0), { timeout: 10_000 }).toEqual({ first: 3, next: 4 })
      await other.close()
    })
  })

  test('that something else writes to is corrupt there, and what came before can be read', async () => {
    await withLog(async (log, topic) => {
      await log.append(0, logRecord('a'))
      const producer = new Producer({ clientId: 'other', bootstrapBrokers: kafka.bootstrap.split(',') })
      const newer = new Map([[Buffer.from('hearth'), Buffer.from('{"version":7}')]])
      const message = { topic, value: Buffer.from('x') }
      await producer.send({
        messages: [
          { ...message, partition: 0 },
          { ...message, partition: 1, headers: newer },
        ],
      })
      await producer.close()
      expect(await texts(log, 0, 1)).toEqual(['1 a'])
      await expect(log.read(0, 2, 1e6)).rejects.toThrow(
        /topic .*, partition 0, offset 1: .* something else writes there/,
      )
      await expect(log.read(1, 1, 1e6)).rejects.toThrow(/record is of version 7; .* up to version 1/)
    })
  })
})

describe('a connection', () => {
  const tls = () => {
    const { ca, client_cert, client_key } = kafka.certificates
    const [text, cert, key] = [ca, client_cert, client_key].map((path) => readFileSync(path, 'utf8'))
    return { ca: text ?? '', cert: cert ?? '', key: key ?? '' }
  }

  test('by TLS shows a client certificate, and needs it where brokers ask for one', async () => {
    const secured = { ...options('tls'), brokers: kafka.bootstrap_ssl.split(',') }
    const log = await openKafkaLog({ ...secured, tls: tls() })
    expect(await log.append(0, logRecord('a'))).toBe(1)
    await log.close()
    await expect(openKafkaLog({ ...secured, tls: { ca: tls().ca } })).rejects.toMatchObject({ kind: 'unavailable' })
  })

  test.each(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)(
    'by SASL %s is let in with the password alone',
    async (mechanism) => {
      const secured = { ...options('sasl'), brokers: kafka.bootstrap_sasl.split(','), tls: { ca: tls().ca } }
      const log = await openKafkaLog({ ...secured, sasl: { mechanism, ...KAFKA_USER } })
      expect(await log.append(0, logRecord(mechanism))).toBeGreaterThan(0)
      await log.close()
      const wrong = { mechanism, username: KAFKA_USER.username, password: 'not-the-word' }
      const refused = await openKafkaLog({ ...secured, sasl: wrong }).catch((error: unknown) => error)
      expect(refused).toMatchObject({ kind: 'unauthorized' })
      expect(String(refused)).not.toMatch(/not-the-word/)
    },
  )

  test('to a port where nobody listens fails within a bound, and says who was asked', async () => {
    await expect(openKafkaLog({ ...options('nobody'), brokers: ['127.0.0.1:1'] })).rejects.toThrow(/127.0.0.1:1/)
  })
})

/** Appends without end, and prints each position once it was acknowledged. */
const CHILD = `
const { openKafkaLog } = await import('${join(import.meta.dirname, 'kafka-log.ts')}')
const { machineClock: clock } = await import('${join(import.meta.dirname, '..', 'cli', 'machine.ts')}')
const { writeSync } = await import('node:fs')
const [brokers, topic, round] = process.argv.slice(1)
const log = await openKafkaLog({ brokers: brokers.split(','), topic, lake_id: 'lake-a', clock, buckets: 4, replication: 1, min_insync: 1, make: true })
let number = 0
async function one(bucket) {
  for (;;) {
    const text = round + '-' + number++
    const position = await log.append(bucket, { version: 1, source: 's', role: 'hub', generation: 1, received_ms: 1,
      listener: 'mqtt', codec: 'plain', value: Buffer.from(text) })
    writeSync(1, bucket + ' ' + position + ' ' + text + '\\n')
  }
}
for (let i = 0; i < 16; i++) void one(i % 4)
`

test('nothing acknowledged is missing after kill -9 of the process that appended, three times over', async () => {
  await withLog(async (log, topic) => {
    const acks: { bucket: number; position: number; text: string }[] = []
    for (let round = 0; round < 3; round++) {
      const child = spawn(
        process.execPath,
        ['--input-type=module', '-e', CHILD, kafka.bootstrap, topic, String(round)],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      let left = 200 + round * 37
      for await (const line of createInterface(child.stdout)) {
        const [bucket, position, text = ''] = line.split(' ')
        acks.push({ bucket: Number(bucket), position: Number(position), text })
        if (left-- === 0) child.kill('SIGKILL')
      }
    }
    expect(acks.length).toBeGreaterThan(600)
    expect(await account(log, { acks, unsure: new Set() })).toMatchObject({ lost: [], doubled: [], gaps: 0 })
  })
})

test('with no broker appends and reads fail within a bound, waits go on, and all is well again afterwards', async () => {
  await withLog(async (log) => {
    await log.append(0, logRecord('a'))
    const [broker] = kafka.brokers
    await broker?.kill()
    const waiting = log.waitFor(0, 2, new AbortController().signal)
    const read = log.read(0, 2, 1e6)
    const [appended] = await Promise.all([
      log.append(0, logRecord('b')).catch((error: unknown) => error),
      expect(read).rejects.toMatchObject({ kind: 'unavailable' }),
      expect(log.bounds(0)).rejects.toMatchObject({ kind: 'unavailable' }),
    ])
    expect(appended).toMatchObject({ kind: 'unavailable' })
    await broker?.restart()
    expect(await log.append(0, logRecord('c'))).toBe(2)
    await waiting
    expect(await texts(log, 0, 1)).toEqual(['1 a', '2 c'])
  })
})

test('closes within a bound while the broker hangs', async () => {
  await withLog(async (log) => {
    const [broker] = kafka.brokers
    await log.append(0, logRecord('a'))
    broker?.pause()
    const appended = log.append(0, logRecord('b')).catch((error: unknown) => error)
    await log.close()
    expect(await appended).toMatchObject({ kind: 'closed' })
    broker?.resume()
  })
})
