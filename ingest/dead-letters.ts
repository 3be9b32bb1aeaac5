import { type BatchHeader, eventsCrc, PROTOCOL_VERSION } from '../contract/batch.ts'
import { bucketOf, parseServiceStream } from '../contract/bucket.ts'
import { assert, Problem } from '../contract/problem.ts'
import { parseBoot } from '../contract/source.ts'
import { openDuckDb, rowsOf } from '../lake/duckdb.ts'
import type { Lake } from '../lake/lake.ts'
import type { LocalFiles } from '../lake/local-files.ts'
import { scanSql } from '../lake/scan.ts'
import { eventFiles } from './event-files.ts'
import type { EventLog } from './event-log.ts'
import { numberIn, textIn } from './row.ts'

/** An event, or a whole batch, that could not be read, and that no replay has stored since. */
export type DeadLetter = {
  /** `<bucket>:<log position>:<ordinal>` within its log; ordinal -1 is a whole batch. */
  readonly id: string
  readonly log_id: string
  readonly source: string
  readonly boot: string | undefined
  readonly stream: string | undefined
  /** Absent for a whole batch, which cannot be replayed: its source must send it anew under new numbers. */
  readonly seq: number | undefined
  readonly reason: string
  /** The raw line. */
  readonly line: string
  readonly received_ms: number
  readonly firmware: string | undefined
  readonly agent: string | undefined
  readonly now_ms: number | undefined
  readonly wall_ms: number | undefined
}

/** The newest `limit` dead letters, newest first; of one source, or one by its id, where asked. */
export async function deadLetters(
  options: { readonly lake: Lake; readonly local: LocalFiles; readonly scratch_folder: string },
  filter: { readonly source?: string; readonly id?: string; readonly limit: number },
): Promise<readonly DeadLetter[]> {
  const { lake, local, scratch_folder } = options
  const snapshot = await (await lake.table('events')).snapshot()
  await using held = await eventFiles(local, snapshot)
  const { files } = held
  if (files.length === 0) return []
  await using database = await openDuckDb({ temp_folder: scratch_folder })
  await database.connection.run(`CREATE VIEW events AS ${scanSql(snapshot, files)}`)
  const sql = `SELECT bucket || ':' || log_position || ':' || ordinal AS id, log_id, source_id, boot_id, stream, seq, reason,
      coalesce(text, '') AS line, epoch_ms(received_time) AS received_ms, firmware, agent, extra['now'] AS now_ms, extra['wall'] AS wall_ms
    FROM events d WHERE kind = 'dead' AND ($1 IS NULL OR source_id = $1)
      AND ($2 IS NULL OR bucket || ':' || log_position || ':' || ordinal = $2)
      AND NOT EXISTS (SELECT 1 FROM events s WHERE s.kind NOT IN ('dead', 'batch') AND s.source_id = d.source_id
        AND s.boot_id = d.boot_id AND s.stream = d.stream AND s.seq = d.seq)
    ORDER BY received_time DESC, log_position DESC, ordinal DESC LIMIT ${Math.floor(filter.limit)}`
  const rows = await rowsOf(database.connection, sql, [filter.source ?? null, filter.id ?? null])
  return rows.map((row) => {
    const text = (name: string) => textIn(row, name)
    const number = (name: string) => numberIn(row, name)
    return {
      id: text('id') ?? '',
      log_id: text('log_id') ?? '',
      source: text('source_id') ?? '',
      boot: text('boot_id'),
      stream: text('stream'),
      seq: number('seq'),
      reason: text('reason') ?? '',
      line: text('line') ?? '',
      received_ms: number('received_ms') ?? 0,
      firmware: text('firmware'),
      agent: text('agent'),
      now_ms: number('now_ms'),
      wall_ms: number('wall_ms'),
    }
  })
}

/**
 * Appends a dead event to the log again, with `line` in place of the raw one where given, marked as a replay: the
 * writer takes it only for a number that is dead, and moves that to stored. Its times are those of the first receipt.
 * Raises `invalid` for a whole batch.
 */
export async function replay(log: EventLog, letter: DeadLetter, line = letter.line): Promise<void> {
  const { boot, stream, seq } = letter
  if (boot === undefined || stream === undefined || seq === undefined) {
    throw new Problem(
      'invalid',
      `${letter.id} is a whole batch that could not be read: it has no event to replay; correct its source instead`,
    )
  }
  if (line.includes('\n')) throw new Problem('invalid', `an event is one line; found a newline in ${line.slice(0, 80)}`)
  const lines = `${line}\n`
  const header: BatchHeader = {
    hearth: PROTOCOL_VERSION,
    boot,
    stream,
    first: seq,
    count: 1,
    next: seq + 1,
    acked: 0,
    ...(letter.now_ms === undefined ? {} : { now: letter.now_ms }),
    wall: letter.wall_ms ?? letter.received_ms,
    firmware: letter.firmware ?? '',
    agent: letter.agent ?? '',
    dropped: [],
    crc: eventsCrc(lines),
    previous: [],
  }
  const service = parseServiceStream(stream)
  const bucket = service?.bucket ?? bucketOf(letter.source, log.buckets)
  assert(bucket < log.buckets, 'a dead letter is of a bucket of this layout')
  await log.append(bucket, {
    version: 1,
    source: letter.source,
    role: service ? 'service' : 'hub',
    generation: parseBoot(boot).generation,
    received_ms: letter.received_ms,
    listener: 'replay',
    codec: 'plain',
    replay: true,
    value: Buffer.from(`${JSON.stringify(header)}\n${lines}`),
  })
}
