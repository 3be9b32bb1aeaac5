import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from '../contract/problem.ts'
import type { EventLog } from '../ingest/event-log.ts'
import { type Share, wholeShare } from '../ingest/share.ts'
import { openSqliteLog } from '../ingest/sqlite-log.ts'
import type { CliContext } from './context.ts'
import { layoutOf } from './fleet.ts'

type LogContext = Pick<CliContext, 'home' | 'config' | 'clock' | 'random'>

/** The event log that is configured: Kafka, or one file of the state folder. Made when there is none. */
export async function openEventLog(context: LogContext): Promise<EventLog> {
  const { home, config, clock, random } = context
  if (config.kafka.brokers !== '') throw new Problem('invalid', 'kafka.brokers: this Hearth has no Kafka yet')
  return await openSqliteLog(join(home, 'log.db'), { buckets: layoutOf(context).buckets, clock, random })
}

/** The event log that is configured; undefined when there is none yet. */
export async function existingEventLog(context: LogContext): Promise<EventLog | undefined> {
  const there = context.config.kafka.brokers !== '' || existsSync(join(context.home, 'log.db'))
  return there ? await openEventLog(context) : undefined
}

/** How writers divide the buckets of this log: all belong to the one writer of the embedded log. */
export function openShare(log: EventLog): Promise<Share> {
  return Promise.resolve(wholeShare(log.buckets))
}
