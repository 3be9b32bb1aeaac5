import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KAFKA_USER, type Kafka, startKafka } from '../infra/kafka/kafka.ts'
import { logRecord } from '../ingest/event-log.conformance.ts'
import { type Config } from './config.ts'
import { examine } from './doctor.ts'
import { existingEventLog, openEventLog, openShare } from './event-log.ts'
import { openLocalLake } from './fleet.ts'
import { parseConfig } from './load-config.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'

let kafka: Kafka
let home = ''
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'hearth-event-log-'))
  kafka = await startKafka({ brokers: 1 })
})
afterAll(async () => {
  await kafka[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

function context(fleet: string, change: Partial<Config['kafka']> = {}) {
  const password_file = join(home, 'password')
  writeFileSync(password_file, `${KAFKA_USER.password}\n`)
  const { ca } = kafka.certificates
  const secured = { tls: true, ca_file: ca, sasl: 'SCRAM-SHA-512', username: KAFKA_USER.username, password_file }
  const settings = { brokers: kafka.bootstrap_sasl, replication: 1, min_insync: 1, ...secured, ...change }
  return { home, clock, random, config: parseConfig({ fleet, kafka: settings }, 'test') }
}

test('the Kafka that is configured is opened, made when absent, and named by doctor', async () => {
  const configured = context('north')
  const foundBy = async (of: typeof configured) => (await examine(of)).find(({ check }) => check === 'event log')
  const found = () => foundBy(configured)
  const notMade = { state: 'warning', found: expect.stringMatching(/answers, of 1 brokers; there is no topic yet/) }
  // Before there is a lake, and before there is a topic: a start can make both.
  expect(await found()).toMatchObject(notMade)
  const tooFew = expect.stringMatching(/of 1 brokers, and kafka.replication is 3/)
  expect(await foundBy(context('north', { replication: 3 }))).toMatchObject({ state: 'bad', found: tooFew })
  const away = context('north', { brokers: '127.0.0.1:1' })
  expect(await foundBy(away)).toMatchObject({ state: 'bad', found: expect.stringContaining('asking 127.0.0.1:1') })
  const lake = await openLocalLake(configured)
  expect(await existingEventLog(configured, lake)).toBeUndefined()
  expect(await found()).toMatchObject(notMade)
  const log = await openEventLog(configured, lake)
  expect(await log.append(3, logRecord('a'))).toBe(1)
  expect(await found()).toMatchObject({ state: 'good', found: expect.stringContaining(log.id) })
  await log.close()
})

test('lakes of one fleet name have topics of their own', async () => {
  const lake = await openLocalLake(context('north'))
  const one = await openEventLog(context('north'), { ...lake, id: 'aaaaaaaa-1' })
  const other = await openEventLog(context('north'), { ...lake, id: 'bbbbbbbb-1' })
  expect(one.id).not.toBe(other.id)
  await Promise.all([one.close(), other.close()])
})

test('writers with one lake share its buckets', async () => {
  const options = { lake: await openLocalLake(context('north')), position: () => 0, note: () => undefined }
  await (await openEventLog(context('north'), options.lake)).close()
  const shares = [await openShare(context('north'), options), await openShare(context('north'), options)]
  const sizes = () => shares.map((share) => share.buckets().length)
  await expect.poll(sizes, { timeout: 20_000 }).toEqual([2, 2])
  for (const share of shares) await share.close()
})

test.each([
  [
    { password_file: '' },
    /kafka.sasl needs kafka.username, and the password in kafka.password_file or HEARTH_KAFKA_PASS/,
  ],
  [{ password_file: '/no/such/file' }, /kafka.password_file: ENOENT.*\/no\/such\/file/],
  [{ cert_file: '/a' }, /kafka.cert_file and kafka.key_file go together/],
  [{ tls: false }, /are for TLS: set kafka.tls/],
])('settings that do not go together are refused: %o', async (change, message) => {
  const configured = context('north', change)
  await expect(openEventLog(configured, await openLocalLake(configured))).rejects.toThrow(message)
})
