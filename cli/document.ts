import type { Column } from '../contract/column.ts'
import { EVENTS_COLUMNS, EVENTS_PARTITION, EVENTS_SORT, EVENTS_TABLE } from '../contract/events-table.ts'
import { VIEWS } from '../contract/views.ts'
import { LOSSES_COLUMNS, LOSSES_TABLE } from '../ingest/losses.ts'
import { SLO_ALERTS_COLUMNS, SLO_ALERTS_TABLE } from '../jobs/alerts/alerts-table.ts'
import { catalogue } from '../jobs/catalogue.ts'
import { JOB_RUNS_COLUMNS, JOB_RUNS_TABLE } from '../jobs/job-runs.ts'
import { OBJECTIVES_COLUMNS, OBJECTIVES_TABLE } from '../jobs/objectives-table.ts'
import { describeConfig, variableOf } from './config.ts'

/** docs/configuration.md, from the schema. */
export function configurationDocument(): string {
  const rows = describeConfig().map(
    ({ key, fallback, meaning }) =>
      `| \`${key.join('.')}\` | \`${variableOf(key.join('.'))}\` | \`${String(fallback)}\` | ${meaning} |`,
  )
  return `# Configuration

Everything has a default; with nothing set, Hearth runs whole on this machine. Settings come from \`hearth.yaml\` (in the
working folder or the state folder, or the file that \`HEARTH_CONFIG\` names), and variables override it. A key that does
not exist is an error that names the one that was probably meant.

\`\`\`yaml
fleet: north
relay:
  app_port: 8080
\`\`\`

| key | variable | default | meaning |
|---|---|---|---|
${rows.join('\n')}

Other variables: \`HEARTH_HOME\` is the state folder (default \`.hearth\`), \`HEARTH_TOKEN\` the token that commands such as
\`hearth send\` use, \`HEARTH_KAFKA_PASSWORD\` the password for Kafka. Secrets come from files or variables, never from the command line.

<!-- made by npm run docs from cli/config.ts -->
`
}

/** docs/tables.md, from the columns that the tables are made with. */
export function tablesDocument(): string {
  const metrics = catalogue().map(
    ({ name, meaning, grain }) => `| [${name}](metrics.md#${name}) | ${meaning} | ${grain} |`,
  )
  const views = Map.groupBy(Object.entries(VIEWS), ([, { reads }]) => reads.includes(EVENTS_TABLE))
  const viewTexts = (ofEvents: boolean) => (views.get(ofEvents) ?? []).map((view) => viewText(...view)).join('\n\n')
  return `# Tables

Everything that the fleet says ends in the table \`${EVENTS_TABLE}\`; everything else is computed from it. Each table is a
folder of the lake in the [Delta](https://github.com/delta-io/delta/blob/master/PROTOCOL.md) format (reader version 1, no
table features): zstd Parquet and a log. Times are UTC, in microseconds.

\`\`\`
hearth sql "select kind, count(*) from events group by all"       any question, read-only
hearth sql --at events@v1 "select …"                               the tables as they were, also at a time: '2026-11-20 10:00'
hearth lake tables | describe | files | history                    what there is, and how it came to be
\`\`\`

A column is only ever added, and reads as NULL in rows from before it. A changed type or meaning is a new column.

## ${EVENTS_TABLE}

One row an event: everything that hubs and services told. Partitioned by
${names(EVENTS_PARTITION)}.
Rows of a file are in the order of ${EVENTS_SORT.map((name) => `\`${name}\``).join(', ')}. A question that names \`event_date\`, \`event_time\`, \`kind\` or \`hub_id\`
reads only the files that can match.

Each (\`source_id\`, \`boot_id\`, \`stream\`, \`seq\`) is there at most once, but for the kinds \`batch\` and \`dead\`, which are
about transport; \`hearth verify\` proves that none is missing. Columns that mean nothing for a kind are NULL.

${columnsText([...EVENTS_COLUMNS, ...EVENTS_PARTITION])}

### Fields that become columns

A field that hubs send and that has no column is text in \`extra\`. One that is used widely can become a column, while
everything runs and without a file being written anew:

\`\`\`
hearth lake promote battery_v --type double --unit V --meaning "voltage of the battery" --dry-run     how many events have it, how many fit
hearth lake promote battery_v --type double --unit V --meaning "voltage of the battery"
hearth lake promoted                                                                                 which there are
\`\`\`

From the next commit on, a value that fits the type is in the column. Its text is in \`extra\` too where the column would
not give it back as it was, and in \`extra\` alone where it does not fit, so that firmware may disagree about a field:

| type | what fits | kept as text besides |
|---|---|---|
| \`double\` | JSON numbers within the range of a double | \`"21.50"\`, \`21.0\`, whole numbers past 2^53 that are no double |
| \`long\` | whole numbers of 64 bits, without fraction or exponent | \`"007"\` |
| \`boolean\` | \`true\` and \`false\` | nothing |
| \`string\` | everything; objects and lists as their JSON | nothing |
| \`timestamp\` | \`2026-11-24T10:00:00.123Z\`, with any fraction and offset | what is not UTC in whole ms, written so |

To Hearth's own readers (queries, pages, the views \`readings\` and \`health\`) old rows and new ones look alike: the column
is filled from \`extra\` where a file lacks it, and \`extra\` has every field that was sent. Metrics go on reading \`extra\`.
Other engines see the files as they are: in rows from before, the column is NULL and the text is in \`extra\`, until
compaction joins their file. What is in \`extra\` is the text as it came: a number digit by digit, a list or an object with its
spaces. Where the column does not say the same text (\`21.50\` for 21.5), it stays in \`extra\` beside the column.

## Views of ${EVENTS_TABLE}

For people; each is the SELECT that stands below it.

${viewTexts(true)}

## Metrics

[metrics.md](metrics.md) has their columns and definitions.

| table | what | grain |
|---|---|---|
${metrics.join('\n')}

Days of metrics are UTC; by each home's own clock they are in a view:

${viewTexts(false)}

A percentile of any window and any groups is read from histograms whose counts are added. The rank of quantile q among n is
q · (n − 1), from 0, as DDSketch has it, and the value of a bucket is within 1 % of all in it:

\`\`\`sql
WITH merged AS (
  SELECT firmware, log_bucket, SUM(count) AS count FROM latency_hours
  WHERE hop = 'tap_to_light' AND hour >= TIMESTAMPTZ '2026-11-24 00:00Z' GROUP BY ALL
), ranked AS (
  SELECT *, SUM(count) OVER (PARTITION BY firmware ORDER BY log_bucket NULLS FIRST) AS seen,
    SUM(count) OVER (PARTITION BY firmware) AS total FROM merged
)
SELECT firmware, MIN(2 * POWER(1.01 / 0.99, log_bucket) / (1 + 1.01 / 0.99)) FILTER (WHERE seen > 0.99 * (total - 1)) AS p99_ms
FROM ranked GROUP BY ALL ORDER BY ALL
\`\`\`

A hub has a row of \`hubs\` for every time in which nothing of it changed, so that a join by \`hub_id\` alone counts twice: take the
newest that had begun, with \`ASOF JOIN hubs b ON b.hub_id = h.hub_id AND b.valid_from <= h.hour\`.

## ${OBJECTIVES_TABLE}

What is promised, as it was last given: those that come with Hearth (\`jobs/objectives/\`), until others are. \`slo_hours\` counts by it.

${columnsText(OBJECTIVES_COLUMNS)}

## ${SLO_ALERTS_TABLE}

What became of the alerts on objectives, one row a change ([objectives.md](objectives.md)). How an alert stands is its last row.

${columnsText(SLO_ALERTS_COLUMNS)}

## ${JOB_RUNS_TABLE}

What each run of the metrics did. For people: nothing is decided from it.

${columnsText(JOB_RUNS_COLUMNS)}

## ${LOSSES_TABLE}

Made when the event log and the table do not join up, which stops a bucket. It should not exist.

${columnsText(LOSSES_COLUMNS)}

## Other engines

They read the folders as they are; with each type, filter, version and checkpoint that follows, Spark 4.1 (Delta 4.4) and
delta-rs 1.6 answer what Hearth answers, row for row:

\`\`\`
DeltaTable('.hearth/lake/events').to_pyarrow_dataset()             delta-rs, in Python
SELECT * FROM delta.\`/…/.hearth/lake/events\`                      Spark
\`\`\`

They may also write: an append of Spark's between two commits of Hearth's is kept, and what both changed is refused to the
later of them. Leave \`${EVENTS_TABLE}\` and the metrics to Hearth all the same, since its accounts and checks know nothing of
rows that came another way. Spark's VACUUM takes nothing that Hearth still needs, at its usual retention of a week.

A Delta table that another engine made, put beside \`${EVENTS_TABLE}\` in the lake's folder under a lower-case snake_case name,
is a table for \`hearth sql\` too:

| of other engines' tables | read | written |
|---|---|---|
| types that Hearth's own tables lack: decimals, short, byte, float, binary, arrays, structs, maps, times without a zone | yes | yes |
| partitions with any names and values; an empty text is null, as the protocol has it (delta-rs takes it as a text) | yes | yes, into values that need no escaping |
| added, renamed and dropped columns; column mapping by name or id, outside of structs | yes | no |
| columns whose type was widened | yes | no |
| checkpoints in one file or several | yes | one file |
| deletion vectors | while no file has one: \`REORG TABLE … APPLY (PURGE)\` | no |
| NOT NULL, constraints, generated, identity and default columns, change data feed, row tracking, clustering | yes | no |
| tables for appends alone | yes | appends, and files joined |
| checkpoints of the second kind (\`v2Checkpoint\`), variants, shallow clones, anything that is new | no | no |

Where the answer is no, Hearth says the feature's name and what to do, and has read or written nothing.

<!-- made by npm run docs from contract/events-table.ts, ingest/losses.ts and jobs/ -->
`
}

function columnsText(columns: readonly Column[]): string {
  const rows = columns.map(({ name, type, unit, meaning }) => `| \`${name}\` | ${type} | ${unit ?? ''} | ${meaning} |`)
  return ['| column | type | unit | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

function names(columns: readonly Column[]): string {
  return columns.map(({ name, meaning }) => `\`${name}\` (${meaning})`).join(' and ')
}

/** Columns that a view passes on mean what they mean in `events`; those that it computes stand in its SQL. */
function viewText(name: string, { meaning, sql }: { readonly meaning: string; readonly sql: string }): string {
  return `### ${name}\n\n${meaning.charAt(0).toUpperCase()}${meaning.slice(1)}.\n\n\`\`\`sql\n${wrapped(sql)}\n\`\`\``
}

/** One clause a line, long lists folded at commas. */
function wrapped(sql: string): string {
  const clauses = sql.replace(/ (FROM \w+) /, '\n$1 ').replace(/ (WHERE|AND NOT EXISTS|GROUP BY) /g, '\n$1 ')
  const folded = (clause: string) =>
    (clause.match(/.{1,110}(?:,|$)\s?|[^,]+,\s?/g) ?? [clause]).map((line) => line.trimEnd())
  return clauses
    .split('\n')
    .map((clause) => folded(clause).join('\n  '))
    .join('\n')
}
