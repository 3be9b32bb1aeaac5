import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { SchemaAnswer } from '../../../query-protocol.ts'
import { ask, Failure } from '../api-client.ts'
import { browserClock } from '../browser.ts'
import { Icon } from '../icon.tsx'
import { parameter, parameters, set } from '../location.ts'
import { bytes, counted, durationText, whole } from '../number-format.ts'
import { useResource } from '../resource.ts'
import { Empty, Skeleton, Trouble } from '../state-notes.tsx'
import { dayTime } from '../time-range.ts'
import { Completeness } from './completeness.tsx'
import type { Editor } from './editor.ts'
import './query.css'
import { ResultChart } from './result-chart.tsx'
import { ResultGrid } from './result-grid.tsx'
import { cancel, download, past, ROWS_SHOWN_MAX, type Run, run, start } from './run.ts'
import { SchemaTree } from './schema-tree.tsx'

const FIRST_SQL = `SELECT kind, count(*) AS events, max(event_time) AS newest
FROM events
WHERE event_date >= current_date - 1
GROUP BY kind
ORDER BY events DESC`
const ELAPSED_EVERY_MS = 100

/** SQL over the lake: schema, editor, result as table or chart. */
export function QueryPage() {
  const schema = useResource(
    () => '/api/schema',
    (address, signal) => ask<SchemaAnswer>(address, { signal }),
  )
  const place = useRef<HTMLDivElement>(null)
  const editor = useRef<Editor | null>(null)
  const loaded = useSignal(false)
  const view = useSignal<'table' | 'chart' | 'history'>('table')
  const execute = () => {
    const sql = editor.current?.text().trim() ?? ''
    if (sql === '') return
    set({ sql, run: undefined }, true)
    if (view.value === 'history') view.value = 'table'
    void start(sql)
  }
  useEffect(() => {
    let closed = false
    const text = parameter('sql') ?? past.value[0]?.sql ?? FIRST_SQL
    void import('./editor.ts').then(({ openEditor }) => {
      if (closed || !place.current) return
      editor.current = openEditor(place.current, text, { change: () => {}, run: execute })
      loaded.value = true
      if (parameter('run') === '1') execute()
    })
    const escape = (event: KeyboardEvent) => {
      if (event.key === 'Escape') cancel()
    }
    document.addEventListener('keydown', escape)
    return () => {
      closed = true
      document.removeEventListener('keydown', escape)
      editor.current?.close()
      editor.current = null
    }
  }, [])
  // A link to other SQL, from a page of this app or the history of the browser.
  const linked = parameters.value.get('sql')
  useEffect(() => {
    if (linked !== null && editor.current && editor.current.text().trim() !== linked.trim())
      editor.current.replace(linked)
    if (parameter('run') === '1' && editor.current) execute()
  }, [linked])
  const tables = schema.state.value.answer
  useEffect(() => {
    if (tables && loaded.value) editor.current?.schema(tables)
  }, [tables, loaded.value])
  const current = run.value
  return (
    <>
      <div class="heading">
        <h1>Query</h1>
        <p class="soft">One SELECT over the lake, read-only. Every table is read as it stands when the query begins.</p>
      </div>
      <Trouble what="The schema" resource={schema.state.value} retry={schema.retry} />
      <div class="query">
        <SchemaTree schema={tables} insert={(text) => editor.current?.insert(text)} />
        <div class="workbench">
          <section class="card" aria-label="Editor">
            <div class="editor" ref={place}>
              {!loaded.value && (
                <div style={{ padding: '14px 16px' }}>
                  <Skeleton width="60%" />
                </div>
              )}
            </div>
            <div class="runbar">
              {current.kind === 'running' ? (
                <button type="button" class="button" onClick={cancel}>
                  <Icon name="close" size={12} /> Cancel
                </button>
              ) : (
                <button type="button" class="button primary" disabled={!loaded.value} onClick={execute}>
                  <Icon name="play" size={12} /> Run
                </button>
              )}
              <span class="soft keys">
                <kbd>Ctrl</kbd> <kbd>Enter</kbd>
              </span>
              <Cost current={current} />
            </div>
          </section>
          <section class="card results" aria-label="Result">
            <div class="tabs" role="tablist">
              {(['table', 'chart', 'history'] as const).map((name) => (
                <button
                  key={name}
                  type="button"
                  role="tab"
                  class="button quiet"
                  aria-selected={view.value === name}
                  onClick={() => (view.value = name)}
                >
                  <Icon name={name} size={14} />
                  {name === 'table' ? 'Table' : name === 'chart' ? 'Chart' : 'History'}
                </button>
              ))}
              {current.kind === 'answered' && <Download sql={current.sql} />}
            </div>
            {view.value === 'history' ? (
              <History choose={(sql) => editor.current?.replace(sql)} />
            ) : (
              <Result current={current} chart={view.value === 'chart'} />
            )}
          </section>
        </div>
      </div>
    </>
  )
}

function Result({ current, chart }: { readonly current: Run; readonly chart: boolean }) {
  switch (current.kind) {
    case 'none':
      return (
        <Empty title="No result yet">
          Write a SELECT, or pick one from History, and press Ctrl-Enter. Hover a column at the left for its meaning.
        </Empty>
      )
    case 'running':
      return (
        <div style={{ padding: '16px', display: 'grid', gap: '12px', minHeight: '240px', alignContent: 'start' }}>
          <Skeleton width="70%" />
          <Skeleton width="90%" />
          <Skeleton width="60%" />
        </div>
      )
    case 'cancelled':
      return <Empty title="Cancelled">The query was stopped on the server too; nothing of it runs on.</Empty>
    case 'failed':
      return (
        <div class="failure" role="alert">
          <strong>The query did not run.</strong>
          <pre>{current.message}</pre>
        </div>
      )
    case 'answered':
      if (current.answer.rows.length === 0)
        return (
          <Empty title="No rows">
            The query ran and found nothing. Is its time in the window that you mean? Times are UTC.
          </Empty>
        )
      return chart ? <ResultChart answer={current.answer} /> : <ResultGrid answer={current.answer} />
  }
}

/** What the query cost and read: rows, time, bytes, files, the version of each table, and how complete that is. */
function Cost({ current }: { readonly current: Run }) {
  if (current.kind === 'running') return <Elapsed since={current.since} />
  if (current.kind !== 'answered') return <span class="cost" />
  const { rows, truncated, statistics } = current.answer
  const versions = Object.entries(statistics.versions)
  return (
    <span class="cost" role="status">
      {truncated ? `first ${whole(ROWS_SHOWN_MAX)} rows` : counted(rows.length, 'row')} · {durationText(statistics.ms)}{' '}
      · {bytes(statistics.bytes)} in {counted(statistics.files, 'file')} of{' '}
      {counted(statistics.partitions, 'partition')}
      {versions.length > 0 && <> · {versions.map(([table, version]) => `${table} v${version}`).join(', ')}</>}
      {statistics.days && (
        <Completeness
          key={`${statistics.days.first} ${statistics.days.last}`}
          days={statistics.days}
          data_to_ms={current.data_to_ms}
        />
      )}
    </span>
  )
}

function Elapsed({ since }: { readonly since: number }) {
  const elapsed = useSignal(0)
  useEffect(() => {
    let stop = () => {}
    const tick = () => {
      elapsed.value = browserClock.monotonic() - since
      stop = browserClock.timer(ELAPSED_EVERY_MS, tick)
    }
    tick()
    return () => stop()
  }, [since])
  return (
    <span class="cost" role="status">
      running for {(elapsed.value / 1000).toFixed(1)} s
    </span>
  )
}

function Download({ sql }: { readonly sql: string }) {
  const failure = useSignal('')
  const fetchFile = async () => {
    failure.value = ''
    try {
      await download(sql)
    } catch (error) {
      failure.value = error instanceof Failure ? error.message : String(error)
    }
  }
  return (
    <span class="end">
      {failure.value && <span role="alert">{failure.value} </span>}
      <button type="button" class="button" onClick={() => void fetchFile()}>
        <Icon name="download" size={14} /> CSV
      </button>
    </span>
  )
}

function History({ choose }: { readonly choose: (sql: string) => void }) {
  if (past.value.length === 0)
    return <Empty title="No history">Queries that you run are remembered in this browser, and nowhere else.</Empty>
  return (
    <div class="history">
      {past.value.map((entry) => (
        <button key={entry.at} type="button" title={entry.sql} onClick={() => choose(entry.sql)}>
          <code>{entry.sql.replace(/\s+/g, ' ')}</code>
          <small class="soft">
            {dayTime(entry.at)} ·{' '}
            {entry.rows === null ? 'failed' : `${counted(entry.rows, 'row')} in ${durationText(entry.ms)}`}
          </small>
        </button>
      ))}
    </div>
  )
}
