import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { Problem } from '../contract/problem.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import { openLake } from '../lake/lake.ts'
import { openQuery, type QueryOptions, type QueryResult } from '../lake/query.ts'
import type { CliContext } from './context.ts'
import { textTable } from './text-table.ts'

type Options = { json?: boolean; csv?: boolean; at?: string[]; limit: number; output?: string }

const TABLE_ROWS = 1_000

export function register(program: Command, context: CliContext): void {
  program
    .command('sql <select>')
    .description('ask the lake: one SELECT over events, its views and the metrics; read-only')
    .option('--json', 'rows as JSON objects, with what the query cost')
    .option('--csv', 'rows as CSV')
    .option('--at <when>', 'an older state: a time, or table@vN; may be repeated', collect)
    .option('--limit <rows>', `rows to print (default ${TABLE_ROWS} in a table, all otherwise)`, Number, 0)
    .option('--output <file>', 'write there instead of to the terminal')
    .addHelpText('after', EXAMPLES)
    .action((sql: string, options: Options) => runSql(context, sql, options))
}

const EXAMPLES = `
Examples:
  hearth sql "select kind, count(*) from events group by all"
  hearth sql --csv "select * from readings where hub_id = 'demo-01'" > readings.csv
  hearth sql --at '2026-11-20 10:00' "select count(*) from events"
  hearth sql --at events@v12 "select count(*) from events"

Tables: events, readings, command_stages, connections, health, dead_letters and each metric (docs/tables.md).`

function collect(value: string, all: string[] = []): string[] {
  return [...all, value]
}

async function runSql(context: CliContext, sql: string, options: Options): Promise<void> {
  const { home, clock, random, signal } = context
  const lake = await openLake({ store: openFolderStore(join(home, 'lake')), clock, random })
  await using query = await openQuery({ lake, clock })
  const limit = options.limit > 0 ? options.limit : options.json || options.csv ? undefined : TABLE_ROWS
  const at = parseAt(options.at ?? [])
  const result = await query.run(sql, { signal, ...(at && { at }), ...(limit !== undefined && { max_rows: limit }) })
  const text = options.json ? json(result) : options.csv ? csv(result) : table(result)
  if (options.output === undefined) process.stdout.write(text)
  else await writeTo(options.output, text)
  if (result.truncated) context.note(`only the first ${result.rows.length} rows are shown; --limit shows more`)
  const { ms, files, files_total, bytes } = result.statistics
  if (process.stderr.isTTY) {
    context.note(
      `${result.rows.length} rows, ${ms.toFixed(0)} ms, ${files} of ${files_total} files, ${(bytes / 1e6).toFixed(1)} MB`,
    )
  }
}

function writeTo(path: string, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const file = createWriteStream(path)
    file.on('error', (error) =>
      reject(new Problem('unavailable', `${path} cannot be written: ${error.message}`, { cause: error })),
    )
    file.end(text, () => resolve())
  })
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

/** RFC 4180; NULL is an empty field, an empty text is `""`. */
function csv({ columns, rows }: QueryResult): string {
  const field = (value: unknown): string => {
    if (value === null || value === undefined) return ''
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  return [columns.map(({ name }) => field(name)), ...rows.map((row) => row.map(field))]
    .map((line) => `${line.join(',')}\r\n`)
    .join('')
}

const NUMERIC = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*)$/

function table({ columns, rows }: QueryResult): string {
  const cells = rows.map((row) => row.map((value, index) => cell(value, NUMERIC.test(columns[index]?.type ?? ''))))
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
