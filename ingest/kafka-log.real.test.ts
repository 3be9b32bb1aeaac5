import { afterAll, beforeAll } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { type Kafka, startKafka } from '../infra/kafka/kafka.ts'
import { eventLogConformance } from './event-log.conformance.ts'
import { openKafkaLog } from './kafka-log.ts'

let kafka: Kafka
let topics = 0
beforeAll(async () => {
  kafka = await startKafka({ brokers: 1 })
})
afterAll(() => kafka[Symbol.asyncDispose]())

eventLogConformance('kafka-log', async () => {
  const topic = `conformance-${topics++}`
  const options = { buckets: 4, replication: 1, min_insync: 1, make: true, clock: machineClock }
  return {
    open: () => openKafkaLog({ ...options, brokers: kafka.bootstrap.split(','), topic }),
    crash: async (log) => log.close(),
    dispose: () => kafka.admin.deleteTopic(topic),
  }
})
