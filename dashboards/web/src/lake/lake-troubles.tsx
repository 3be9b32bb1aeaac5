import type { ComponentChildren } from 'preact'
import { reasonForm } from '../../../dead-reason.ts'
import type { LakeAnswer, LossLook } from '../../../lake-api.ts'
import { Explain, RowsLink } from '../definition.tsx'
import { Tag } from '../icon.tsx'
import { href } from '../location.ts'
import { whole } from '../number-format.ts'
import { SkeletonRows } from '../state-notes.tsx'
import { dayTime } from '../time-range.ts'
import { lossGroups } from './loss-groups.ts'

/** What was acknowledged and cannot be read, by reason. */
export function DeadLetters({ dead }: { readonly dead: LakeAnswer['dead'] | undefined }) {
  return (
    <section class="card" aria-label="Dead letters by reason">
      <header>
        <h2>Dead letters</h2>
        <span class="unit">received in this window, by reason</span>
        <span class="links">
          <Explain name="dead_letters" />
          {dead && <RowsLink sql={dead.sql} label="dead letters by reason" />}
        </span>
      </header>
      {dead?.reasons.length === 0 ? (
        <p class="foot">None: every event that came in this window could be read.</p>
      ) : (
        <>
          <table class="table cards">
            <thead>
              <tr>
                <th>Reason</th>
                <th class="number">Events</th>
                <th class="number">Sources</th>
                <th>One of them</th>
                <th class="number">Newest</th>
              </tr>
            </thead>
            <tbody>
              {dead?.reasons.map((one) => (
                <tr key={one.reason}>
                  <td data-label="Reason" class="wraps">
                    {one.reason}
                  </td>
                  <td data-label="Events" class="number">
                    <a
                      href={href('/query', { sql: linesSql(one.reason), run: '1' })}
                      title="These letters, with their lines"
                    >
                      {whole(one.events)}
                    </a>
                  </td>
                  <td data-label="Sources" class="number">
                    {whole(one.sources)}
                  </td>
                  <td data-label="One of them">{one.example}</td>
                  <td data-label="Newest" class="number">
                    {dayTime(one.newest_ms)}
                  </td>
                </tr>
              ))}
              {!dead && <SkeletonRows count={2} columns={5} />}
            </tbody>
          </table>
          {dead && (
            <p class="foot">
              A fault of Hearth’s reading: after the fix, <code>hearth deadletters replay --source …</code> stores them.
              A line that one can mend: <code>hearth deadletters replay ID --line FILE</code>. A fault of a firmware:
              stop its roll-out; <code>hearth deadletters list</code> has the lines.
            </p>
          )}
        </>
      )}
    </section>
  )
}

function linesSql(reason: string): string {
  const like = reasonForm(`'${reason.replaceAll("'", "''")}'`)
  return `SELECT received_time, source_id, boot_id, stream, seq, reason, text\nFROM dead_letters\nWHERE ${reasonForm('reason')} = ${like}\nORDER BY received_time DESC\nLIMIT 200`
}

/** What the kinds of losses mean, and what to do about each. */
const LOSS_KINDS: readonly {
  readonly kind: LossLook['kind']
  readonly tag: ComponentChildren
  readonly meaning: ComponentChildren
}[] = [
  {
    kind: 'gap',
    tag: <Tag tone="bad">gap</Tag>,
    meaning: (
      <>
        Log and table do not join up. A log that begins too late: what lay between was acknowledged and is not in the
        table; <code>hearth verify</code> counts the events. One that ends too early: perhaps it held no more. A bucket
        that is stopped: put the newer of lake and log back, and nothing is lost (“a bucket is stopped” in
        docs/operations.md); if there is none, <code>hearth lake accept-loss</code>. One whose log was lost: hubs send
        what they still hold, the rest will not come.
      </>
    ),
  },
  {
    kind: 'accepted',
    tag: <Tag tone="idle">accepted</Tag>,
    meaning: <>Somebody gave up what a stopped bucket lacked, and it went on. There is nothing more to do.</>,
  },
  {
    kind: 'replaced',
    tag: <Tag tone="warn">new log</Tag>,
    meaning: (
      <>
        Another log took the place of the one that the table had read, and no bucket is stopped. Perhaps nothing is
        lost: only what the old log held beyond that position will not come. <code>hearth verify</code> counts what is
        known to be missing; if that is nothing, or you made an empty log anew yourself, there is nothing to do.
      </>
    ),
  },
]

/** Where a log and the table did not join up, and what to do. */
export function Losses({ losses }: { readonly losses: LakeAnswer['losses'] | undefined }) {
  return (
    <section class="card" aria-label="Losses of all time">
      <header>
        <h2>Losses</h2>
        <span class="unit">event logs that did not follow on the table, of all time</span>
        <span class="links">
          <Explain name="losses" />
          {losses?.sql && <RowsLink sql={losses.sql} label="losses of all time" />}
        </span>
      </header>
      {losses?.rows.length === 0 ? (
        <p class="foot">None: every log joined up with the table.</p>
      ) : (
        <>
          <table class="table cards">
            <thead>
              <tr>
                <th>Found</th>
                <th>Kind</th>
                <th class="number">Bucket</th>
                <th>What was found</th>
                <th class="number">In the table to</th>
                <th class="number">In the log</th>
              </tr>
            </thead>
            <tbody>
              {lossGroups(losses?.rows ?? []).map(({ first, rows }) => (
                <tr key={`${first.time_ms} ${first.kind} ${first.bucket}`}>
                  <td data-label="Found">{dayTime(first.time_ms)}</td>
                  <td data-label="Kind">{LOSS_KINDS.find(({ kind }) => kind === first.kind)?.tag}</td>
                  <td data-label="Bucket" class="number">
                    {bucketsOf(rows)}
                  </td>
                  <td data-label="What was found" class="wraps">
                    {rows.length > 1 && `Bucket ${first.bucket}: `}
                    {first.reason}
                  </td>
                  <td data-label="In the table to" class="number">
                    {rows.length > 1 ? 'of each its own' : whole(first.table_position)}
                  </td>
                  <td data-label="In the log" class="number">
                    {rows.length > 1 ? 'of each its own' : inLog(first)}
                  </td>
                </tr>
              ))}
              {!losses && <SkeletonRows count={1} columns={6} />}
            </tbody>
          </table>
          {losses && (
            <dl class="kinds">
              {LOSS_KINDS.filter(({ kind }) => losses.rows.some((one) => one.kind === kind)).map((one) => (
                <div key={one.kind}>
                  <dt>{one.tag}</dt>
                  <dd>{one.meaning}</dd>
                </div>
              ))}
            </dl>
          )}
        </>
      )}
    </section>
  )
}

function bucketsOf(rows: readonly LossLook[]): string {
  return rows
    .map(({ bucket }) => bucket)
    .toSorted((a, b) => a - b)
    .join(', ')
}

function inLog({ kind, log_first, log_next }: LossLook): string {
  if (kind === 'replaced') return 'not known'
  return log_next > log_first ? `${whole(log_first)} to ${whole(log_next - 1)}` : 'nothing'
}
