import { EVENTS_TABLE } from '../contract/events-table.ts'
import { messageOf } from '../contract/problem.ts'
import { hasRead } from '../ingest/position.ts'
import type { CliContext } from './context.ts'
import type { Finding } from './doctor.ts'
import { existingEventLog, kafkaBrokers, logPlace } from './event-log.ts'
import { existingLake } from './fleet.ts'

type LogContext = Pick<CliContext, 'home' | 'config' | 'clock' | 'random'>

const check = 'event log'

/** The event log of a lake: can it be read, or else be made? Nothing is changed. */
export async function logFinding(context: LogContext): Promise<Finding> {
  try {
    const lake = await existingLake(context)
    const log = await existingEventLog(context, lake)
    const place = logPlace(context, lake)
    if (log) {
      await log.close()
      return { check, state: 'good', found: `${log.id}, ${place}` }
    }
    const { txns } = await (await lake.table(EVENTS_TABLE)).snapshot()
    const isGone = context.config.kafka.brokers === '' || hasRead(txns)
    if (!isGone) return await brokersFinding(context)
    return { check, state: 'bad', found: `${place} is gone, though there is a lake`, advice: 'put it back' }
  } catch (error) {
    const advice = 'the message says what was expected; nothing was changed'
    return { check, state: 'bad', found: messageOf(error), advice }
  }
}

/** Of a Kafka that has no topic yet: do the brokers answer, and are they enough to make one? */
export async function brokersFinding(context: Pick<CliContext, 'config' | 'clock'>): Promise<Finding> {
  const { brokers, replication } = context.config.kafka
  try {
    const count = await kafkaBrokers(context)
    const found = `Kafka at ${brokers} answers, of ${count} brokers`
    if (count >= replication)
      return { check, state: 'warning', found: `${found}; there is no topic yet`, advice: 'hearth up makes it' }
    const advice = 'start more of them, or set kafka.replication and kafka.min_insync lower: no topic can be made'
    return { check, state: 'bad', found: `${found}, and kafka.replication is ${replication}`, advice }
  } catch (error) {
    return { check, state: 'bad', found: messageOf(error), advice: 'docs/kafka.md has what brokers need' }
  }
}
