import { signal } from '@preact/signals'
import type { QueryAnswer } from '../../../query-protocol.ts'
import { ask, Failure, post, request } from '../api-client.ts'
import { browserClock, remember, remembered } from '../browser.ts'
import { freshness } from '../freshness.tsx'

export type Run =
  | { readonly kind: 'none' }
  | { readonly kind: 'running'; readonly sql: string; readonly since: number }
  | {
      readonly kind: 'answered'
      readonly sql: string
      readonly answer: QueryAnswer
      readonly data_to_ms: number | null
    }
  | { readonly kind: 'failed'; readonly sql: string; readonly message: string }
  | { readonly kind: 'cancelled'; readonly sql: string }

export type Past = {
  readonly sql: string
  readonly at: number
  readonly rows: number | null
  readonly ms: number | null
}

/** Rows that the page asks for; the download asks for more. */
export const ROWS_SHOWN_MAX = 10_000
const ROWS_DOWNLOADED_MAX = 1_000_000
/** Queries that this browser remembers. */
const HISTORY_MAX = 100

export const run = signal<Run>({ kind: 'none' })
export const past = signal<readonly Past[]>(readHistory())
let controller: AbortController | undefined

/** Runs one SELECT; a running one is cancelled first. */
export async function start(sql: string): Promise<void> {
  controller?.abort()
  const own = new AbortController()
  controller = own
  run.value = { kind: 'running', sql, since: browserClock.monotonic() }
  // What was there when it began, it has read.
  const data_to_ms = freshness.peek()?.newest_received_ms ?? null
  try {
    const options = { ...post({ sql, max_rows: ROWS_SHOWN_MAX }), signal: own.signal }
    const answer = await ask<QueryAnswer>('/api/query', options)
    if (controller !== own) return
    run.value = { kind: 'answered', sql, answer, data_to_ms }
    keep({ sql, at: browserClock.now(), rows: answer.rows.length, ms: answer.statistics.ms })
  } catch (error) {
    if (controller !== own) return
    if (own.signal.aborted) run.value = { kind: 'cancelled', sql }
    else {
      run.value = { kind: 'failed', sql, message: error instanceof Failure ? error.message : String(error) }
      keep({ sql, at: browserClock.now(), rows: null, ms: null })
    }
  }
}

/** Hangs up, upon which the server interrupts the query. */
export function cancel(): void {
  controller?.abort()
}

/** Asks again for CSV, with more rows than the page shows, and hands it to the browser as a file. */
export async function download(sql: string): Promise<void> {
  const options = post({ sql, max_rows: ROWS_DOWNLOADED_MAX }, { accept: 'text/csv' })
  const response = await request('/api/query', options)
  const link = document.createElement('a')
  link.href = URL.createObjectURL(await response.blob())
  link.download = 'hearth.csv'
  link.click()
  URL.revokeObjectURL(link.href)
}

function keep(entry: Past): void {
  past.value = [entry, ...past.value.filter((other) => other.sql !== entry.sql)].slice(0, HISTORY_MAX)
  remember('history', JSON.stringify(past.value))
}

function readHistory(): readonly Past[] {
  try {
    const parsed: unknown = JSON.parse(remembered('history') ?? '[]')
    return Array.isArray(parsed) ? parsed.filter(isPast) : []
  } catch (error) {
    // Written by something else: begin anew.
    if (error instanceof SyntaxError) return []
    throw error
  }
}

function isPast(value: unknown): value is Past {
  return typeof value === 'object' && value !== null && 'sql' in value && typeof value.sql === 'string' && 'at' in value
}
