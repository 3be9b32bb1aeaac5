/**
 * Recorded readings of a home: a folder of `Room_Attribute.csv`, each line Unix seconds, a tab, a value.
 *
 * Names: what stands before the first `_` is the device, in lower case; the rest is the attribute, its words split at
 * `_` and at capitals, in lower case, joined by `_`. `Room3_left_ThermostatTemperature.csv` is device `room3`, attribute
 * `left_thermostat_temperature`. Two files of the same device and attribute are refused, so a name means one file.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from '../contract/problem.ts'
import { isId } from '../contract/source.ts'
import { RECORDING_FAULTS_NAMED_MAX, RECORDING_FILE_MAX_BYTES } from './limits.ts'

export type RecordedSeries = {
  readonly file: string
  readonly device: string
  readonly attribute: string
  /** ms since 1970, as recorded, and the value: same index, in the order of time. */
  readonly times_ms: Float64Array
  readonly values: Float64Array
}

/** A line that is not a reading. It is left out, and named. */
export type RecordingFault = { readonly file: string; readonly line: number; readonly reason: string }

export type RecordedReading = {
  readonly device: string
  readonly attribute: string
  readonly recorded_ms: number
  readonly value: number
}

export type Recording = {
  readonly series: readonly RecordedSeries[]
  /** Readings of all series. */
  readonly count: number
  /** The first of them … */
  readonly faults: readonly RecordingFault[]
  /** … and how many there are. */
  readonly fault_count: number
  /** First and last moment, ms since 1970; undefined when there is no reading. */
  readonly span_ms: readonly [number, number] | undefined
}

/** The device and attribute that a file's name says. Raises `invalid` for a name that says none. */
export function seriesName(file: string): { readonly device: string; readonly attribute: string } {
  const match = /^([^_]+)_(.+)\.csv$/i.exec(file)
  const device = (match?.[1] ?? '').toLowerCase()
  const attribute = (match?.[2] ?? '')
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
  if (!isId(device) || !/^[a-z][a-z0-9_]{0,63}$/.test(attribute)) {
    throw new Problem(
      'invalid',
      `${file}: expected a name like Room3_left_ThermostatTemperature.csv (device_Attribute)`,
    )
  }
  return { device, attribute }
}

/** Reads the folder's `.csv` files; with `devices` only theirs. Raises `missing`, `invalid` (names), `limit` (size). */
export function readRecording(folder: string, devices?: readonly string[]): Recording {
  const files = filesOf(folder)
  const faults: RecordingFault[] = []
  let fault_count = 0
  const fault = (found: RecordingFault) => {
    fault_count++
    if (faults.length < RECORDING_FAULTS_NAMED_MAX) faults.push(found)
  }
  const names = new Map<string, string>()
  const series: RecordedSeries[] = []
  for (const file of files) {
    const name = seriesName(file)
    if (devices && !devices.includes(name.device)) continue
    const before = names.get(`${name.device}/${name.attribute}`)
    if (before !== undefined) {
      throw new Problem('invalid', `${before} and ${file} both mean ${name.attribute} of ${name.device}; rename one`)
    }
    names.set(`${name.device}/${name.attribute}`, file)
    series.push({ file, ...name, ...readSeries(folder, file, fault) })
  }
  if (series.length === 0) {
    const found = [...new Set(files.map((file) => seriesName(file).device))].join(', ')
    throw new Problem(
      'missing',
      `${folder} has no recorded readings${devices ? ` of ${devices.join(', ')}; it has ${found}` : ''}`,
    )
  }
  let first_ms = Number.POSITIVE_INFINITY
  let last_ms = Number.NEGATIVE_INFINITY
  for (const { times_ms } of series) {
    first_ms = Math.min(first_ms, times_ms[0] ?? first_ms)
    last_ms = Math.max(last_ms, times_ms.at(-1) ?? last_ms)
  }
  const count = series.reduce((sum, each) => sum + each.values.length, 0)
  return { series, count, faults, fault_count, span_ms: count > 0 ? [first_ms, last_ms] : undefined }
}

/** All readings by time; at the same time in the order of the files' names. */
export function* inOrder(recording: Recording): Generator<RecordedReading> {
  const at = recording.series.map(() => 0)
  for (;;) {
    let best = -1
    let best_ms = Number.POSITIVE_INFINITY
    for (const [i, { times_ms }] of recording.series.entries()) {
      const time_ms = times_ms[at[i] ?? 0]
      if (time_ms !== undefined && time_ms < best_ms) {
        best = i
        best_ms = time_ms
      }
    }
    const series = recording.series[best]
    if (!series) return
    const index = at[best] ?? 0
    at[best] = index + 1
    const { device, attribute } = series
    yield { device, attribute, recorded_ms: best_ms, value: series.values[index] ?? 0 }
  }
}

function filesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((file) => file.toLowerCase().endsWith('.csv'))
      .sort()
  } catch (error) {
    throw new Problem('missing', `${folder} cannot be read: expected a folder of recorded readings`, { cause: error })
  }
}

function readSeries(folder: string, file: string, fault: (found: RecordingFault) => void) {
  const path = join(folder, file)
  const { size } = statSync(path)
  if (size > RECORDING_FILE_MAX_BYTES) {
    throw new Problem('limit', `${file} has ${size} bytes; at most ${RECORDING_FILE_MAX_BYTES}: split it in time`)
  }
  const rows: { readonly time_ms: number; readonly value: number }[] = []
  for (const [index, text] of readFileSync(path, 'utf8').split('\n').entries()) {
    const line = text.endsWith('\r') ? text.slice(0, -1) : text
    if (line === '') continue
    const match = /^(\d{1,12}(?:\.\d{1,3})?)\t([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)$/.exec(line)
    const value = Number(match?.[2])
    if (!match || !Number.isFinite(value)) {
      const reason = `expected Unix seconds, a tab and a number, found ${JSON.stringify(line.slice(0, 60))}`
      fault({ file, line: index + 1, reason })
      continue
    }
    rows.push({ time_ms: Math.round(Number(match[1]) * 1000), value })
  }
  // Stable: of two at the same time the one written first comes first.
  rows.sort((a, b) => a.time_ms - b.time_ms)
  return {
    times_ms: Float64Array.from(rows, (row) => row.time_ms),
    values: Float64Array.from(rows, (row) => row.value),
  }
}

/**
 * A shift in time: whole ms, or an ISO 8601 duration by the UTC calendar from `from_ms` (`P9Y`, `-P1Y2M3DT4H`). It is
 * one number for all readings, so that distances in time stay what they were. Raises `invalid`.
 */
export function parseShift(text: string, from_ms: number): number {
  if (/^-?\d{1,15}$/.test(text)) return Number(text)
  const match = /^(-)?P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(text)
  if (!match || !/\d/.test(text)) {
    throw new Problem('invalid', `expected a shift in ms or an ISO 8601 duration like P9Y, found ${text}`)
  }
  const [years, months, weeks, days, hours, minutes, seconds] = match.slice(2).map((part) => Number(part ?? 0))
  const sign = match[1] ? -1 : 1
  const date = new Date(from_ms)
  date.setUTCFullYear(date.getUTCFullYear() + sign * (years ?? 0), date.getUTCMonth() + sign * (months ?? 0))
  const clock_s = ((hours ?? 0) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0)
  return date.getTime() - from_ms + sign * ((7 * (weeks ?? 0) + (days ?? 0)) * 86_400 + clock_s) * 1000
}
