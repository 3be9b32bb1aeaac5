import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { textTable } from '../cli/text-table.ts'
import type { Findings } from './benchmark.ts'
import { type Figure, formatValue, reaches } from './figure.ts'
import type { Busy, MachineFacts } from './machine.ts'

/** What is kept of a run, as JSON in `results/`. */
export type Result = Findings & {
  readonly version: 1
  readonly benchmark: string
  /** ISO 8601, UTC. */
  readonly measured: string
  readonly commit: string
  /** The sources differed from the commit. */
  readonly changed: boolean
  readonly took_s: number
  readonly machine: MachineFacts
  readonly busy: Busy
}

/** `<name>-<date>-<commit>.json`, and a plot as `.svg` beside it. Returns the file's name. */
export function keep(result: Result): string {
  const folder = join(import.meta.dirname, 'results')
  mkdirSync(folder, { recursive: true })
  const name = `${result.benchmark}-${result.measured.slice(0, 10)}-${result.commit}.json`
  const { plot, ...figures } = result
  writeFileSync(join(folder, name), `${JSON.stringify(figures, rounded, 1)}\n`)
  if (plot !== undefined) writeFileSync(join(folder, name.replace(/json$/, 'svg')), plot)
  return name
}

/** Six digits are more than any measurement has. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
}

/** A result for people. */
export function describe(result: Result): string {
  const { machine, busy } = result
  const lines = [
    '',
    `${result.benchmark} at ${result.commit}${result.changed ? ' with changes' : ''}, ${result.measured}`,
    `on ${machine.cores} cores of ${machine.cpu}, ${machine.memory_gib} GiB, Node ${machine.node}, DuckDB ${machine.duckdb}`,
    `load average ${busy.load_before.toFixed(2)} before, ${busy.load_after.toFixed(2)} after; ${busy.busy_cores.toFixed(2)} cores at work meanwhile, this benchmark's included${busy.stolen_cores === undefined ? '' : `; ${busy.stolen_cores.toFixed(2)} taken by the hypervisor`}`,
  ]
  for (const one of result.workloads) {
    lines.push(
      '',
      `workload ${one.name}, seed ${one.seed}: ${one.sources} sources, ${one.batches} batches of ${one.events_a_batch}, ${formatValue(one.events)} events (${one.malformed} malformed)`,
      `  ${one.bytes_a_line.toFixed(0)} bytes a line, zstd level 3 packs ${one.zstd3_ratio.toFixed(1)} times`,
      `  checksum sent  ${one.checksum_sent}`,
      ...[...new Set(one.checksums_found)].map((found) => `  checksum found ${found}`),
    )
  }
  lines.push('', textTable(['figure', 'value', 'unit', 'spread', 'target'], result.figures.map(row)))
  for (const note of result.notes) lines.push('', note)
  for (const fault of result.faults) lines.push('', `FAULT: ${fault}`)
  return lines.join('\n')
}

function row(figure: Figure): readonly (string | number)[] {
  const { name, value, unit, low, high, target } = figure
  const spread = low === undefined || high === undefined ? '' : `${formatValue(low)} – ${formatValue(high)}`
  const met = reaches(figure) ? 'reached' : 'MISSED'
  const asked = target?.least === undefined ? `≤ ${target?.most}` : `≥ ${target.least}`
  return [name, formatValue(value), unit, spread, target ? `${asked} ${met}` : '']
}
