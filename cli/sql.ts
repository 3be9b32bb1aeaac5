import { realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { Problem } from '../contract/problem.ts'
import { csvOf, isNumericType } from '../lake/answer.ts'
import { openLake } from '../lake/lake.ts'
import {
  QUERY_CANCEL_GRACE_MS,
  QUERY_MEMORY_LIMIT,
  QUERY_PROCESS_MAX_BYTES,
  QUERY_ROWS_MAX,
  QUERY_TIME_MAX_MS,
} from '../lake/limits.ts'
import { watchMemory } from '../lake/memory-watch.ts'
import { openQuery, type Query, type QueryOptions, type QueryResult } from '../lake/query.ts'
import type { CliContext } from './context.ts'
import { lakeCache, lakeStore } from './lake-store.ts'
import { positive, whole } from './option.ts'
import { textTable } from './text-table.ts'
import { withFile } from './world-fault.ts'

type Options = {
  json?: boolean
  csv?: boolean
  at?: string[]
  limit?: number
  timeout: number
  memory: string
  output?: string
}

const TABLE_ROWS = 1_000

export function register(program: Command, context: CliContext): void {
  program
    .command('sql <select>')
    .description('ask the lake: one SELECT over events, its views and the metrics; read-only')
    .option('--json', 'rows as JSON objects, with what the query cost')
    .addOption(new Option('--csv', 'rows as CSV').conflicts('json'))
    .option('--at <when>', 'an older state: a time, or table@vN; may be repeated', collect)
    .option(
      '--limit <rows>',
      `rows to print (default ${TABLE_ROWS} in a table, ${QUERY_ROWS_MAX} otherwise)`,
      whole(1, QUERY_ROWS_MAX),
    )
    .option('--timeout <seconds>', 'cancel it after this', positive, QUERY_TIME_MAX_MS / 1000)
    .option('--memory <size>', 'memory for sorts, joins and groups, as 8GB', memorySize, QUERY_MEMORY_LIMIT)
    .option('--output <file>', 'write there instead of to the terminal')
    .addHelpText('after', EXAMPLES)
    .action((sql: string, options: Options) => runSql(context, sql, options))
}

const EXAMPLES = `
Examples:
  hearth sql "select kind, count(*) from events group by all"
  hearth sql --csv "select * from readings where hub_id = 'demo-01'" > readings.csv
  hearth sql --at events@v1 "select count(*) from events"

Tables: events, readings, command_stages, connections, health, dead_letters and each metric (docs/tables.md).`

function collect(value: string, all: string[] = []): string[] {
  return [...all, value]
}

async function runSql(context: CliContext, sql: string, options: Options): Promise<void> {
  const { clock, random } = context
  const limit = options.limit ?? (options.json || options.csv ? undefined : TABLE_ROWS)
  const at = parseAt(options.at ?? [])
  const lake = await openLake({ store: lakeStore(context), clock, random })
  await using query = await openQuery({ lake, clock, memory_limit: options.memory, cache: lakeCache(context) })
  const result = await ask(context, query, sql, options, {
    ...(at && { at }),
    ...(limit !== undefined && { max_rows: limit }),
  })
  const text = options.json ? json(result) : options.csv ? csvOf(result) : table(result)
  if (options.output === undefined) process.stdout.write(text)
  else {
    const { output } = options
    await withFile('--output', output, 'written', () => writeTo(output, text))
  }
  if (result.truncated) {
    const more = result.rows.length === limit ? '--limit shows more' : 'an answer holds no more: ask for less at once'
    context.note(`only the first ${result.rows.length} rows are shown; ${more}`)
  }
  const { ms, files, files_total, bytes, fetched_bytes } = result.statistics
  if (process.stderr.isTTY) {
    context.note(
      `${result.rows.length} rows, ${ms.toFixed(0)} ms, ${files} of ${files_total} files, ${(bytes / 1e6).toFixed(1)} MB${fetched_bytes > 0 ? `, ${(fetched_bytes / 1e6).toFixed(1)} MB of them fetched` : ''}`,
    )
  }
}

/** Runs it within its time and memory, until Ctrl-C; what does not let itself be cancelled takes the process with it. */
async function ask(
  { clock, note, signal }: CliContext,
  query: Query,
  sql: string,
  { timeout, memory }: Options,
  more: QueryOptions,
): Promise<QueryResult> {
  const late = new AbortController()
  const either = AbortSignal.any([signal, late.signal])
  const endProcess = (text: string, code: number) => {
    note(`hearth: ${text}`)
    process.exit(code)
  }
  const stops: (() => void)[] = [
    clock.timer(timeout * 1000, () => late.abort()),
    watchMemory({
      clock,
      used_bytes: () => process.memoryUsage.rss(),
      max_bytes: QUERY_PROCESS_MAX_BYTES + bytesOf(memory),
      past: () => endProcess('the query made more text or longer lists than memory may hold: ask for less', 1),
    }),
  ]
  const cancel = () =>
    stops.push(
      clock.timer(QUERY_CANCEL_GRACE_MS, () => endProcess('the query was cancelled', signal.aborted ? 130 : 1)),
    )
  either.addEventListener('abort', cancel, { once: true })
  try {
    return await query.run(sql, { ...more, signal: either })
  } catch (error) {
    if (!late.signal.aborted) throw error
    const text = `the query took longer than ${timeout} s and was cancelled: ask for less, or give it more with --timeout`
    throw new Problem('limit', text, { cause: error })
  } finally {
    for (const stop of stops) stop()
  }
}

const UNITS: Readonly<Record<string, number>> = { MB: 1e6, GB: 1e9 }

function memorySize(text: string): string {
  if (/^[1-9]\d{0,5}(MB|GB)$/i.test(text)) return text.toUpperCase()
  throw new InvalidArgumentError('expected a size as 512MB or 8GB')
}

function bytesOf(size: string): number {
  return Number(size.slice(0, -2)) * (UNITS[size.slice(-2)] ?? 1)
}

/** A whole file or none; what is no file (a pipe, a terminal) is written to as it is. */
async function writeTo(path: string, text: string): Promise<void> {
  const found = await stat(path).catch(ifAbsent)
  if (found && !found.isFile()) {
    await writeFile(path, text)
    return
  }
  const target = found ? await realpath(path) : path
  const draft = `${target}.${process.pid}.new`
  try {
    await writeFile(draft, text, { flag: 'wx', ...(found && { mode: found.mode }) })
    await rename(draft, target)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

function ifAbsent(error: unknown): undefined {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
}

/** `2026-11-20 10:00` (UTC unless a zone is given) or `events@v12`. Raises `invalid`. */
export function parseAt(words: readonly string[]): QueryOptions['at'] {
  if (words.length === 0) return undefined
  const versions: Record<string, number> = {}
  let time_ms: number | undefined
  for (const word of words) {
    const version = /^([a-z][a-z0-9_]*)@v(\d+)$/.exec(word)
    if (version?.[1]) {
      versions[version[1]] = Number(version[2])
      continue
    }
    const zoned = /(Z|[+-]\d\d:?\d\d)$/.test(word) ? word : `${word.includes(':') ? word : `${word} 00:00`}Z`
    const parsed = Date.parse(zoned.replace(' ', 'T'))
    if (Number.isNaN(parsed)) {
      throw new Problem(
        'invalid',
        `--at takes a time, as '2026-11-20 10:00', or a version, as events@v12; found ${JSON.stringify(word)}`,
      )
    }
    time_ms = parsed
  }
  return { versions, ...(time_ms !== undefined && { time_ms }) }
}

function json({ columns, rows, truncated, statistics }: QueryResult): string {
  const objects = rows.map((row) => Object.fromEntries(columns.map(({ name }, index) => [name, row[index]])))
  return `${JSON.stringify({ columns, rows: objects, truncated, statistics }, undefined, 2)}\n`
}

function table({ columns, rows }: QueryResult): string {
  const cells = rows.map((row) => row.map((value, index) => cell(value, isNumericType(columns[index]?.type ?? ''))))
  return `${textTable(
    columns.map(({ name }) => name),
    cells,
  )}\n`
}

/** Numbers go to the right, exact ones that came as text too. */
function cell(value: unknown, numeric: boolean): string | number {
  if (value === null || value === undefined) return '·'
  if (typeof value === 'number') return value
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return numeric && Number.isSafeInteger(Number(text)) ? Number(text) : text
}
