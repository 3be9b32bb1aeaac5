import { useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { isNumericType } from '../../../../lake/answer.ts'
import type { QueryAnswer } from '../../../query-protocol.ts'
import '../chart.css'
import { significant } from '../number-format.ts'
import { Empty } from '../state-notes.tsx'
import { colours, token } from '../theme.ts'
import { dayTime } from '../time-range.ts'

const HEIGHT = 380
/** Points past this are too many to see. */
const POINTS_MAX = 10_000

/** A column across, a column up: lines over time or number, bars over words. */
export function ResultChart({ answer }: { readonly answer: QueryAnswer }) {
  const numbers = answer.columns
    .map((column, index) => ({ ...column, index }))
    .filter((column) => isNumericType(column.type))
  const firstX = answer.columns.findIndex((column) => !isNumericType(column.type))
  const x = useSignal(Math.max(0, firstX))
  const y = useSignal((numbers.find((column) => column.index !== x.peek()) ?? numbers[0])?.index ?? -1)
  const box = useRef<HTMLDivElement>(null)
  const paint = colours.value
  const points = useMemo(() => pointsOf(answer, x.value, y.value), [answer, x.value, y.value])
  useEffect(() => {
    const target = box.current
    if (!target || y.value < 0) return undefined
    const plot = new uPlot(optionsOf(points, target.clientWidth), [points.x, points.y], target)
    const observer = new ResizeObserver(() => plot.setSize({ width: target.clientWidth, height: HEIGHT }))
    observer.observe(target)
    return () => {
      observer.disconnect()
      plot.destroy()
    }
  }, [points, paint])
  if (numbers.length === 0)
    return <Empty title="No number to draw">A chart needs a column of numbers; these are all words or times.</Empty>
  const [across, up] = [answer.columns[x.value]?.name, answer.columns[y.value]?.name]
  return (
    <>
      <div class="pickers">
        <label class="label">
          Across
          <select class="field" value={x.value} onChange={(event) => (x.value = Number(event.currentTarget.value))}>
            {answer.columns.map((column, index) => (
              <option key={index} value={index}>
                {column.name}
              </option>
            ))}
          </select>
        </label>
        <label class="label">
          Up
          <select class="field" value={y.value} onChange={(event) => (y.value = Number(event.currentTarget.value))}>
            {numbers.map((column) => (
              <option key={column.index} value={column.index}>
                {column.name}
              </option>
            ))}
          </select>
        </label>
      </div>
      {points.y.some(Number.isFinite) ? (
        <div class="chart">
          <div ref={box} role="img" aria-label={`${up} by ${across}`} style={{ height: `${HEIGHT}px` }} />
        </div>
      ) : (
        <Empty title="Nothing to draw">
          No row has a value of both {across} and {up}.
        </Empty>
      )}
    </>
  )
}

type Points = {
  readonly kind: 'time' | 'number' | 'words'
  readonly x: number[]
  readonly y: (number | null)[]
  readonly words: readonly string[]
}

function pointsOf(answer: QueryAnswer, x: number, y: number): Points {
  const type = answer.columns[x]?.type ?? ''
  const kind = /^(TIMESTAMP|DATE)/i.test(type) ? 'time' : isNumericType(type) ? 'number' : 'words'
  const number = (cell: unknown) => (cell === null || cell === undefined || cell === '' ? null : Number(cell))
  const rows = answer.rows.slice(0, POINTS_MAX)
  if (kind === 'words') {
    return {
      kind,
      x: rows.map((_, index) => index),
      y: rows.map((row) => number(row[y])),
      words: rows.map((row) => String(row[x] ?? 'null')),
    }
  }
  const place = kind === 'time' ? seconds : Number
  const pairs = rows
    .map((row) => [place(row[x]), number(row[y])] as const)
    .filter(([at]) => !Number.isNaN(at))
    .sort((a, b) => a[0] - b[0])
  return { kind, x: pairs.map(([at]) => at), y: pairs.map(([, value]) => value), words: [] }
}

/** Seconds since 1970 of a date or a time as DuckDB writes it: UTC without an offset, and whole hours of it as `+00`. */
function seconds(cell: unknown): number {
  const text = String(cell).replace(' ', 'T')
  const clock = text.slice(10)
  const rest = /[+-]\d\d$/.test(clock) ? ':00' : clock === '' || /[Z+-]/.test(clock) ? '' : 'Z'
  return Date.parse(text + rest) / 1000
}

function optionsOf(points: Points, width: number): uPlot.Options {
  const axis = {
    stroke: token('text-soft'),
    font: `11px ${token('sans')}`,
    ticks: { show: false },
    grid: { stroke: token('grid'), width: 1 },
  }
  const colour = token('series-1')
  const bars = points.kind === 'words'
  const values =
    points.kind === 'words'
      ? (ticks: number[]) => ticks.map((tick) => (Number.isInteger(tick) ? (points.words[tick] ?? '') : ''))
      : points.kind === 'time'
        ? (ticks: number[]) => ticks.map((tick) => dayTime(tick * 1000))
        : (ticks: number[]) => ticks.map((tick) => significant(tick))
  return {
    width,
    height: HEIGHT,
    padding: [8, 28, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: {
      x: { time: points.kind === 'time', ...(bars ? { range: [-0.6, Math.max(0.6, points.x.length - 0.4)] } : {}) },
      ...(bars
        ? {
            y: {
              range: (_plot: uPlot, low: number, high: number) =>
                [Math.min(0, low), Math.max(0, high) * 1.08] as [number, number],
            },
          }
        : {}),
    },
    axes: [
      { ...axis, space: 110, size: 30, values: (_plot, ticks) => values(ticks) },
      { ...axis, size: 60, values: (_plot, ticks) => ticks.map((tick) => significant(tick)) },
    ],
    series: [
      {},
      bars && uPlot.paths.bars
        ? { stroke: colour, fill: colour, paths: uPlot.paths.bars({ size: [0.7, 48] }), points: { show: false } }
        : { stroke: colour, width: 1.75, points: { show: points.x.length < 60 } },
    ],
  }
}
