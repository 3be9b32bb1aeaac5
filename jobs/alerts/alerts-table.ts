import { z } from 'zod'
import { type Clock, type Random, uuid } from '../../contract/clock.ts'
import type { Column } from '../../contract/column.ts'
import type { Lake } from '../../lake/lake.ts'
import type { Query } from '../../lake/query.ts'
import { literal } from '../../lake/schema.ts'
import type { Table } from '../../lake/table.ts'
import { type Row, writeRows } from '../../lake/write-rows.ts'
import { SEVERITIES } from './burn-rate.ts'
import { alertKey, CALLING, type Standing, type Transition } from './transition.ts'

/** What became of each alert, one row a change. How it stands is its last row (docs/decisions/081). */
export const SLO_ALERTS_TABLE = 'slo_alerts'

export const SLO_ALERTS_COLUMNS: readonly Column[] = [
  { name: 'time', type: 'timestamp', meaning: 'the minute up to which it was judged' },
  { name: 'objective', type: 'string', meaning: 'name of the objective' },
  { name: 'severity', type: 'string', meaning: 'page or ticket' },
  {
    name: 'sequence',
    type: 'long',
    meaning: 'number of this change of the alert of that objective and severity, from 1',
  },
  {
    name: 'state',
    type: 'string',
    meaning: 'from then on: ok, firing, unknown, too little data, no data or withdrawn',
  },
  { name: 'previous', type: 'string', meaning: 'the state before' },
  {
    name: 'threshold',
    type: 'double',
    meaning:
      'burn rate above which the rule fires that it was judged by; when it is over, the one by which people were called',
  },
  { name: 'long_ms', type: 'long', unit: 'ms', meaning: 'the long window of that rule' },
  { name: 'long_burn', type: 'double', meaning: 'burn rate over it: 1 spends the budget just by its end' },
  { name: 'long_bad', type: 'double', meaning: 'what was bad in it, in the unit of the measure' },
  { name: 'long_total', type: 'double', meaning: 'of what total' },
  { name: 'short_ms', type: 'long', unit: 'ms', meaning: 'the short window of that rule' },
  { name: 'short_burn', type: 'double', meaning: 'burn rate over it' },
  { name: 'short_bad', type: 'double', meaning: 'what was bad in it' },
  { name: 'short_total', type: 'double', meaning: 'of what total' },
]

const state = z.enum(['ok', 'firing', 'unknown', 'too little data', 'no data', 'withdrawn'])
const number = z.coerce.number()
const maybe = z.preprocess((value) => value ?? undefined, z.number().optional())

const standing = z.object({
  ...{ objective: z.string(), severity: z.enum(SEVERITIES), sequence: number, state, since_ms: number },
  told_sequence: number,
  long_ms: maybe,
})

const change = z
  .object({
    time_ms: number,
    previous_ms: maybe,
    objective: z.string(),
    severity: z.enum(SEVERITIES),
    sequence: number,
    state,
    previous: state,
  })
  .extend({ threshold: maybe, long_ms: maybe, short_ms: maybe, long_burn: maybe, short_burn: maybe })
  .extend({ long_bad: maybe, long_total: maybe, short_bad: maybe, short_total: maybe })

/** A row of the table, and the time of the change before it. */
export type AlertChange = z.infer<typeof change>

const BURNS = ['threshold', 'long_burn', 'short_burn', 'long_bad', 'long_total', 'short_bad', 'short_total']
const CHANGE = [
  'CAST(epoch_ms(time) AS DOUBLE) AS time_ms, CAST(epoch_ms(previous_time) AS DOUBLE) AS previous_ms',
  ...['objective', 'severity', 'sequence', 'state', 'previous', ...BURNS],
  ...['long_ms', 'short_ms'].map((name) => `CAST(${name} AS DOUBLE) AS ${name}`),
].join(', ')

const CALLING_SQL = `(${CALLING.map(literal).join(', ')})`
const STANDING = `SELECT objective, severity, MAX(sequence) AS sequence, arg_max(state, sequence) AS state,
    CAST(epoch_ms(MAX(time)) AS DOUBLE) AS since_ms,
    COALESCE(MAX(sequence) FILTER (WHERE state IN ${CALLING_SQL} OR previous IN ${CALLING_SQL}), 0) AS told_sequence,
    CAST(arg_max(long_ms, sequence) AS DOUBLE) AS long_ms
  FROM ${SLO_ALERTS_TABLE} GROUP BY objective, severity ORDER BY objective, severity`

export type AlertsTable = {
  /** Changes of the table as it stands, in order of time, of those that `where` is true of; none where it is not there yet. */
  changes(where: string): Promise<readonly AlertChange[]>
  standing(): Promise<readonly Standing[]>
  /** The sequence up to which `receiver` was told of each alert; undefined for one that it was never told of. */
  told(receiver: string): Promise<(alert: Pick<Standing, 'objective' | 'severity'>) => number | undefined>
  /** Appends changes, all or none; false when another wrote one of them before. */
  append(transitions: readonly Transition[]): Promise<boolean>
  /** Notes that `receiver` was told up to there; of an alert's several the last counts. */
  noteTold(receiver: string, told: readonly Pick<Standing, 'objective' | 'severity' | 'sequence'>[]): Promise<void>
}

export type AlertsTableOptions = {
  readonly lake: Lake
  readonly query: Query
  readonly clock: Clock
  readonly random: Random
}

export function openAlertsTable({ lake, query, clock, random }: AlertsTableOptions): AlertsTable {
  const ensure = () => lake.ensureTable(SLO_ALERTS_TABLE, DEFINITION)
  let there: Table | undefined
  /** As of a version. */
  let known: { readonly version: number; readonly of: readonly Standing[] } | undefined

  /** Whoever only looks makes no table. */
  async function existing(): Promise<Table | undefined> {
    if (!there && (await lake.tables()).includes(SLO_ALERTS_TABLE)) there = await lake.table(SLO_ALERTS_TABLE)
    return there
  }

  async function ask(sql: string): Promise<readonly Record<string, unknown>[]> {
    const { columns, rows } = await query.run(sql)
    return rows.map((row) => Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])))
  }

  return {
    async changes(where) {
      if (!(await existing())) return []
      const all = `SELECT *, LAG(time) OVER (PARTITION BY objective, severity ORDER BY sequence) AS previous_time FROM ${SLO_ALERTS_TABLE}`
      return (
        await ask(`SELECT ${CHANGE} FROM (${all}) WHERE ${where} ORDER BY time, objective, severity, sequence`)
      ).map((row) => change.parse(row))
    },
    async standing() {
      const table = await existing()
      if (!table) return []
      const { version } = await table.snapshot()
      if (known?.version !== version) known = { version, of: (await ask(STANDING)).map((row) => standing.parse(row)) }
      return known.of
    },
    async told(receiver) {
      const txns = (await (await existing())?.snapshot())?.txns
      return (alert) => txns?.get(toldTxn(receiver, alert))
    },
    async append(transitions) {
      const table = await ensure()
      // Read before the file is uploaded, as every base is: by it a commit knows whether vacuum has passed its files.
      const base = await table.snapshot()
      const add = await writeRows({
        ...{ store: lake.store, prefix: table.prefix, columns: SLO_ALERTS_COLUMNS, partitionValues: {}, random, clock },
        rows: transitions.map(rowOf),
      })
      const txns = transitions.map((one) => ({
        ...{ appId: `alert/${alertKey(one)}`, next: one.sequence },
        expected: one.sequence === 1 ? undefined : one.sequence - 1,
      }))
      const outcome = await table.commit({
        id: uuid(random),
        kind: 'ingest',
        base,
        adds: [add],
        removes: [],
        txns,
        info: {},
      })
      return outcome.kind === 'committed'
    },
    async noteTold(receiver, told) {
      const table = await ensure()
      const base = await table.snapshot()
      const last = new Map(told.map((one) => [toldTxn(receiver, one), one.sequence]))
      const txns = [...last]
        .map(([appId, next]) => ({ appId, next, expected: base.txns.get(appId) }))
        .filter(({ next, expected = 0 }) => next > expected)
      if (txns.length === 0) return
      // Fenced: another told the same, and noted it.
      await table.commit({ id: uuid(random), kind: 'ingest', base, adds: [], removes: [], txns, info: {} })
    },
  }
}

const DEFINITION = {
  columns: SLO_ALERTS_COLUMNS,
  partition: [],
  description: 'what became of each alert on an objective',
}

function toldTxn(receiver: string, alert: Pick<Standing, 'objective' | 'severity'>): string {
  return `told/${receiver}/${alertKey(alert)}`
}

function rowOf({ time_ms, rule, ...change }: Transition): Row {
  const { burn, long_ms, short_ms, long, short } = rule ?? {}
  return {
    ...{ time: time_ms, ...change, threshold: burn, long_ms, short_ms },
    ...{ long_burn: long?.burn, long_bad: long?.bad, long_total: long?.total },
    ...{ short_burn: short?.burn, short_bad: short?.bad, short_total: short?.total },
  }
}
