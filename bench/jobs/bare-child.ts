/** bench/bare/job.sql in a process of its own. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { catalogue } from '../../jobs/catalogue.ts'
import { DUCKDB_MACROS } from '../../jobs/dialect.ts'
import { JOBS_MEMORY_LIMIT } from '../../jobs/limits.ts'
import { openDuckDb } from '../../lake/duckdb.ts'
import { timed } from '../child.ts'
import { bareTask, METRIC, THREADS } from './measured.ts'
import { rowsIn } from './rows-in.ts'

const { lake, hubs, out, day_ms, hour_ms } = bareTask.parse(JSON.parse(process.argv[2] ?? ''))
const metric = catalogue().find(({ name }) => name === METRIC)
const time = (ms: number) => `TIMESTAMPTZ '${new Date(ms).toISOString()}'`
const hour =
  hour_ms === undefined ? '' : ` AND issued_time >= ${time(hour_ms)} AND issued_time < ${time(hour_ms + 3_600_000)}`
const values = {
  events: join(lake, 'events/**/*.parquet'),
  only: `${metric?.only}${hour}`,
  select: metric?.sql ?? '',
  day: new Date(day_ms).toISOString(),
  order: ['hour', ...(metric?.keys ?? [])].join(', '),
  hubs,
  out,
}
let text = readFileSync(new URL('../bare/job.sql', import.meta.url), 'utf8').replace(/^--.*$/gm, '')
for (const [name, value] of Object.entries(values)) text = text.replaceAll(`{${name}}`, () => value)
mkdirSync(out, { recursive: true })
await using duck = await openDuckDb({ threads: THREADS, memory_limit: JOBS_MEMORY_LIMIT, temp_folder: `${out}-temp` })
for (const macro of DUCKDB_MACROS) await duck.connection.run(macro)
// Once over other rows of the same files, as Hearth's process does.
await duck.connection.run(
  `CREATE TEMP TABLE warm AS SELECT * FROM read_parquet('${values.events}', hive_partitioning = true) WHERE kind = 'registry'`,
)
await duck.connection.run('DROP TABLE warm')
const timing = await timed(async () => {
  for (const statement of text.split(/;\s*\n/).filter((part) => part.trim() !== ''))
    await duck.connection.run(statement)
})
const rows = await rowsIn(join(out, '**/*.parquet'))
process.stdout.write(JSON.stringify({ ...timing, rows, rss_mb: process.resourceUsage().maxRSS / 1024 }))
