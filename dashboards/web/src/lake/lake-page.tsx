import type { LakeAnswer, TableLook } from '../../../lake-api.ts'
import { ask } from '../api-client.ts'
import { now } from '../browser.ts'
import { Fact } from '../fact.tsx'
import { parameter } from '../location.ts'
import { bytes, counted, NOTHING, significant, whole } from '../number-format.ts'
import { useResource } from '../resource.ts'
import { Empty, Trouble } from '../state-notes.tsx'
import { age, range } from '../time-range.ts'
import './lake.css'
import { Buckets, FileSizes, TablesCard } from './lake-tables.tsx'
import { DeadLetters, Losses } from './lake-troubles.tsx'
import { type OpenLosses, openLosses } from './loss-groups.ts'
import { Versions } from './versions.tsx'

const EVERY_MS = 10_000
const MINUTE_MS = 60_000
/** Small files of one partition that compaction keeps it below. */
const SMALL_FILES_MAX = 128
/** A bucket that is further behind is told of. */
const LAG_MAX_S = 120

/** Is everything in the table, how fresh, in which shape; and what did not get there. */
export function LakePage() {
  const { state, retry } = useResource(
    () => {
      const { from_ms, to_ms } = range.value
      return `/api/lake?from=${Math.floor(from_ms / MINUTE_MS) * MINUTE_MS}&to=${Math.ceil(to_ms / MINUTE_MS) * MINUTE_MS}`
    },
    (address, signal) => ask<LakeAnswer>(address, { signal }),
    EVERY_MS,
  )
  const resource = state.value
  const { answer } = resource
  const stale = resource.failure !== undefined
  const events = answer?.tables.find(({ name }) => name === 'events')
  const tables = answer?.tables.toSorted((a, b) => Number(b === events) - Number(a === events))
  const chosen = tables?.find(({ name }) => name === (parameter('table') ?? 'events')) ?? events
  const empty = events !== undefined && events.files === 0
  return (
    <>
      <div class="heading">
        <h1>Lake</h1>
        {answer && events && !empty && <Verdict answer={answer} events={events} />}
      </div>
      <Trouble what="The lake" resource={resource} retry={retry} />
      {empty ? (
        <div class="card">
          <Empty title="The lake is empty">
            Its tables are there, and no batch was committed yet. Start a fleet of simulated homes with{' '}
            <code>hearth up --demo</code>, or connect a hub: <code>hearth hub --help</code>. What it sends is here some
            seconds later.
          </Empty>
        </div>
      ) : (
        <>
          <Facts answer={answer} events={events} stale={stale} />
          <TablesCard tables={tables} chosen={chosen?.name} />
          <div class="lake-table">
            <div class="aside">
              <FileSizes table={chosen} />
              {(!answer || chosen?.name === 'events') && <Buckets table={chosen} lags={answer?.lags ?? null} />}
            </div>
            <Versions table={chosen?.name ?? 'events'} newest={chosen?.version} told={stale} />
          </div>
        </>
      )}
      {(!empty || (answer?.losses.rows.length ?? 0) > 0) && <Losses losses={answer?.losses} />}
      {!empty && <DeadLetters dead={answer?.dead} />}
    </>
  )
}

function lagOf({ lags }: LakeAnswer) {
  return (lags ?? [])
    .flatMap(({ bucket, seconds }) => (seconds === null ? [] : [{ bucket, seconds }]))
    .toSorted((a, b) => b.seconds - a.seconds)[0]
}

function stoppedOf({ lags }: LakeAnswer): readonly number[] {
  return (lags ?? []).flatMap(({ bucket, stopped }) => (stopped ? [bucket] : []))
}

/** Logs of which perhaps nothing is lost, in words. */
function unsureOf({ ended, replaced }: OpenLosses): readonly string[] {
  return [
    ...(ended > 0 ? [`${counted(ended, 'log')} cut short, perhaps without loss`] : []),
    ...(replaced > 0 ? [`${counted(replaced, 'log')} replaced, perhaps without loss`] : []),
  ]
}

/** The ten-second answer: what is wrong, or that nothing is. */
function Verdict({ answer, events }: { readonly answer: LakeAnswer; readonly events: TableLook }) {
  const lag = lagOf(answer)
  const stopped = stoppedOf(answer)
  const losses = openLosses(answer.losses.rows)
  const troubles = [
    ...(stopped.length > 0
      ? [
          `${stopped.length === 1 ? 'bucket' : 'buckets'} ${stopped.join(', ')} ${stopped.length === 1 ? 'is' : 'are'} stopped`,
        ]
      : []),
    ...(losses.lost > 0 ? [counted(losses.lost, 'loss', 'losses')] : []),
    ...unsureOf(losses),
    ...(lag && lag.seconds > LAG_MAX_S ? [`bucket ${lag.bucket} is ${age(lag.seconds * 1000)} behind`] : []),
    ...(answer.dead.reasons.length > 0 ? ['dead letters in this window'] : []),
    ...(events.fullest_partition > SMALL_FILES_MAX ? ['small files are not joined'] : []),
  ]
  return (
    <p class="verdict">
      {troubles.length === 0 ? (
        <>No losses, no dead letters in this window{lag && '; the writer keeps up'}.</>
      ) : (
        <>
          To look at: <b>{troubles.join('; ')}</b>.
          {stopped.length > 0 && (
            <>
              {' '}
              Why, and what to do: <code>hearth doctor</code>.
            </>
          )}
        </>
      )}
    </p>
  )
}

function Facts(props: {
  readonly answer: LakeAnswer | undefined
  readonly events: TableLook | undefined
  readonly stale: boolean
}) {
  const { answer, events, stale } = props
  const tables = answer?.tables ?? []
  const sum = (of: (table: TableLook) => number) => tables.reduce((total, table) => total + of(table), 0)
  const lag = answer && lagOf(answer)
  const dead = answer?.dead.reasons.reduce((total, { events: count }) => total + count, 0)
  const losses = openLosses(answer?.losses.rows ?? [])
  const unsure = unsureOf(losses)
  const [size = '', sizeUnit = ''] = bytes(answer && sum((table) => table.bytes)).split(' ')
  return (
    <div class="figures facts">
      <Fact
        title="Events"
        definition="table_rows"
        text={events && large(events.rows)}
        exact={events?.rows}
        note={events && `rows; ${whole(sum(({ rows }) => rows) - events.rows)} in other tables`}
        sql="SELECT kind, count(*) AS rows FROM events GROUP BY kind ORDER BY rows DESC"
        stale={stale}
      />
      <Fact
        title="Size"
        definition="table_size"
        text={answer && size}
        unit={sizeUnit}
        note={
          answer &&
          `${counted(
            sum(({ files }) => files),
            'file',
          )} in ${counted(tables.length, 'table')}`
        }
        stale={stale}
      />
      <Fact
        title="Newest commit"
        definition="newest_commit"
        text={events && age(now.value - events.committed_ms)}
        unit="ago"
        note={events && `version ${whole(events.version)} of events`}
        stale={stale}
      />
      <Fact
        title="Largest lag"
        definition="bucket_lag"
        text={answer && (lag ? significant(lag.seconds) : NOTHING)}
        unit={lag ? 's' : ''}
        note={answer && (lag ? `of bucket ${lag.bucket}` : 'no writer runs beside these pages')}
        tone={lag && lag.seconds > LAG_MAX_S ? 'warn' : undefined}
        stale={stale}
      />
      <Fact
        title="Small files"
        definition="small_files"
        text={events && whole(events.small_files)}
        note={events && `${whole(events.fullest_partition)} in one partition, of ${SMALL_FILES_MAX} at most`}
        tone={events && events.fullest_partition > SMALL_FILES_MAX ? 'warn' : undefined}
        stale={stale}
      />
      <Fact
        title="Dead letters"
        definition="dead_letters"
        text={answer && whole(dead)}
        note={answer && (dead ? `for ${counted(answer.dead.reasons.length, 'reason')}` : 'received in this window')}
        tone={dead ? 'warn' : undefined}
        sql={answer?.dead.sql}
        stale={stale}
      />
      <Fact
        title="Losses"
        definition="losses"
        text={answer && whole(losses.lost)}
        note={
          answer &&
          (unsure.length > 0 ? `and ${unsure.join(', ')}` : losses.lost > 0 ? 'events are missing' : 'of all time')
        }
        tone={losses.lost > 0 ? 'bad' : unsure.length > 0 ? 'warn' : undefined}
        sql={answer?.losses.sql ?? undefined}
        stale={stale}
      />
    </div>
  )
}

/** Millions and more with three digits: the exact number is in the title. */
function large(count: number): string {
  if (count < 1e6) return whole(count)
  return count < 1e9 ? `${significant(count / 1e6)} M` : `${significant(count / 1e9)} G`
}
