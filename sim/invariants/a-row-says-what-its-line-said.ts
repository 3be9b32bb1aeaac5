import { isDeepStrictEqual } from 'node:util'
import type { BatchHeader } from '../../contract/batch.ts'
import { bucketOf } from '../../contract/bucket.ts'
import { isProblem } from '../../contract/problem.ts'
import type { LogRecord } from '../../ingest/event-log.ts'
import { readPayload } from '../../ingest/payload.ts'
import { fieldsOf, happened_ms, type Invariant } from '../evidence.ts'
import type { Row } from '../row-encoder.ts'

type Fields = Readonly<Record<string, unknown>>

/** A line is stored as what it says, at the time that its batch gives it, and is dead, with a reason, when it is no event. */
export const aRowSaysWhatItsLineSaid: Invariant = {
  name: 'a row says what its line said',
  check({ rows, logs }) {
    const records = new Map(logs.map(({ id, buckets }) => [id, buckets]))
    const buckets = logs[0]?.buckets.length ?? 0
    return rows.flatMap((row) => {
      const record = records.get(row.log)?.[row.bucket]?.[row.position - 1]
      if (row.ordinal < 0 || !record) return []
      const fields = fieldsOf(row.line)
      const isOne = fields !== undefined && isEvent(fields, row, record.role === 'service', buckets)
      const what = `${row.source} ${row.stream} ${row.seq} is ${row.kind}`
      if (row.kind === 'dead' && row.columns['reason'] === undefined) return [`${what}, and tells no reason`]
      if (isOne !== (row.kind !== 'dead')) return [`${what}, of ${row.line}`]
      if (!isOne) return []
      const header = headerOf(record)
      if (!header) return [`${what}, of a batch that nobody can read`]
      const expected = Object.entries(columnsOf(fields, row, record, header))
      return expected
        .filter(([name, value]) => !isDeepStrictEqual(row.columns[name], value ?? undefined))
        .map(([name, value]) => `${what}, its ${name} ${JSON.stringify(row.columns[name])} and not ${String(value)}`)
    })
  },
}

const isNumber = (value: unknown) => value === undefined || value === null || Number.isFinite(value)

function isEvent({ m, kind, hub, value, issued, ms, ...others }: Fields, row: Row, service: boolean, buckets: number) {
  const all = { m, kind, hub, value, issued, ms, ...others }
  // Who writes lines here leaves out spaces, so that a line that is longer than what it says has a field twice.
  const isOnce = JSON.stringify(all).length === row.line.length
  const isWhole = Number.isFinite(m) && typeof kind === 'string' && kind !== 'batch' && kind !== 'dead'
  const isTime = isNumber(issued) && Number(issued ?? 0) >= 0
  const isNumeric = isNumber(ms) && (typeof value === 'boolean' || isNumber(value))
  const isMine = !service || (typeof hub === 'string' && !hub.includes(' ') && bucketOf(hub, buckets) === row.bucket)
  return isOnce && isWhole && isTime && isNumeric && isMine
}

/** Undefined for a record that holds no good batch. */
function headerOf({ value }: LogRecord): BatchHeader | undefined {
  try {
    return readPayload(Buffer.from(value)).header
  } catch (error) {
    if (isProblem(error, 'invalid')) return undefined
    throw error
  }
}

/** What the columns of an event are to be; undefined for NULL. */
function columnsOf(fields: Fields, row: Row, { role, source, received_ms }: LogRecord, header: BatchHeader): Fields {
  const { m, hub, kind, device, attribute, value, text, unit, command, issued, stage, ms, reason, ...others } = fields
  const { boot, stream, first } = header
  const time_ms = happened_ms(Number(m), header, received_ms)
  const extra = Object.entries(others).map(([name, other]) => [name, textOf(other)])
  return {
    ...{ kind, hub_id: role === 'hub' ? source : hub, source_id: source, boot_id: boot, stream },
    ...{ seq: first + row.ordinal, mono_ms: m, event_time: Math.round(time_ms * 1000) },
    ...{ received_time: received_ms * 1000, device_id: device, attribute, text, unit, command_id: command, stage },
    ...{ value: typeof value === 'boolean' ? Number(value) : value, duration_ms: ms, reason },
    issued_time: typeof issued === 'number' ? Math.round(issued * 1000) : undefined,
    extra: Object.fromEntries(extra),
  }
}

function textOf(value: unknown): string | null {
  return value === null || typeof value === 'string' ? value : JSON.stringify(value)
}
