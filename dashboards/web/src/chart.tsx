import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { now } from './browser.ts'
import './chart.css'
import { colours, token } from './theme.ts'
import { day, dayTime, minuteTime, setRange, zone } from './time-range.ts'

export type Series = {
  readonly name: string
  /** One of tokens.css' series colours, 1–7. */
  readonly colour: 1 | 2 | 3 | 4 | 5 | 6 | 7
  readonly values: readonly (number | null)[]
  readonly dash?: readonly number[]
}

type Mark = { readonly time_ms: number; readonly to_ms?: number | undefined; readonly words: string }

export type ChartProps = {
  readonly label: string
  /** Start of each interval, ms since 1970. */
  readonly time_ms: readonly number[]
  readonly interval_ms: number
  readonly from_ms: number
  readonly to_ms: number
  readonly series: readonly Series[]
  /** Values of the y axis, and of the legend, with their unit. */
  readonly axis: (value: number) => string
  readonly value: (value: number | null | undefined) => string
  readonly height: number
  readonly scale: {
    readonly kind: 'linear' | 'log'
    readonly range: (low: number, high: number) => readonly [number, number]
  }
  /** Moments and times to know of: when they were, and a word or two. */
  readonly marks?: readonly Mark[]
  /** Drawn below the lines: cells of a heat map. */
  readonly heat?: { readonly cells: readonly (readonly [number, number, number])[]; readonly gamma: number }
}

/** Height of a line of a mark's words. */
const WORDS_PX = 14

/** One cursor for all charts of a page. */
const SYNC = uPlot.sync('page')

/** Lines over time: gaps stay gaps, the running interval is hatched, dragging zooms all of the page. */
export function Chart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const latest = useRef(props)
  latest.current = props
  const [index, setIndex] = useState<number | null>(null)
  const paint = colours.value
  const timeZone = zone.value
  useEffect(() => {
    const target = box.current
    if (!target) return undefined
    const plot = new uPlot(optionsFor(props, target.clientWidth, setIndex), dataOf(props), target)
    const observer = new ResizeObserver(() => plot.setSize({ width: target.clientWidth, height: props.height }))
    observer.observe(target)
    return () => {
      observer.disconnect()
      plot.destroy()
    }
  }, [props.time_ms, props.series, props.heat, paint, timeZone, props.height])
  const last = lastIndex(props)
  const shown = index ?? last
  const at = props.time_ms[shown]
  return (
    <>
      <div class="legend">
        {props.series.map((series) => (
          <span class="entry" key={series.name}>
            <span
              class="swatch"
              style={{
                borderColor: `var(--series-${series.colour})`,
                borderTopStyle: series.dash ? 'dashed' : 'solid',
              }}
            />
            {series.name} <b>{props.value(series.values[shown])}</b>
          </span>
        ))}
        {props.heat && (
          <span class="entry">
            <span class="ramp" /> fewer to more commands
          </span>
        )}
        <span class="when">{at === undefined ? '' : `${index === null ? 'latest, ' : ''}${dayTime(at)}`}</span>
      </div>
      <div class="chart">
        <div ref={box} class="plot" role="img" aria-label={labelOf(props)} style={{ height: `${props.height}px` }} />
      </div>
    </>
  )
}

/** The newest point that any series has. */
function lastIndex(props: ChartProps): number {
  for (let index = props.time_ms.length - 1; index >= 0; index--) {
    if (props.series.some((series) => typeof series.values[index] === 'number')) return index
  }
  return -1
}

function dataOf(props: ChartProps): uPlot.AlignedData {
  return [
    props.time_ms.map((time) => (time + props.interval_ms / 2) / 1000),
    ...props.series.map((series) => [...series.values]),
  ]
}

function optionsFor(props: ChartProps, width: number, setIndex: (index: number | null) => void): uPlot.Options {
  const font = `11px ${token('sans')}`
  const axis = { stroke: token('text-soft'), font, ticks: { show: false }, grid: { stroke: token('grid'), width: 1 } }
  const span_ms = props.to_ms - props.from_ms
  return {
    width,
    height: props.height,
    padding: [8 + wordLines(props) * WORDS_PX, 22, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: SYNC.key, setSeries: false },
      points: { size: 6, width: 2 },
      drag: { x: true, y: false, setScale: false },
      y: false,
    },
    scales: {
      x: { time: true, range: () => [props.from_ms / 1000, props.to_ms / 1000] },
      y: {
        // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- an ambient const enum has no value to name here
        distr: props.scale.kind === 'log' ? 3 : 1,
        range: (_plot, low, high) => {
          const [from, to] = props.scale.range(low ?? Number.NaN, high ?? Number.NaN)
          return [from, to]
        },
      },
    },
    axes: [
      { ...axis, space: 72, size: 30, values: (_plot, ticks) => ticks.map((tick) => tickText(tick * 1000, span_ms)) },
      {
        ...axis,
        size: 52,
        space: 32,
        ...(props.scale.kind === 'log'
          ? {
              splits: (_plot: uPlot, _axis: number, low: number, high: number) => roundTicks(low, high),
              filter: (_plot: uPlot, ticks: number[]) => ticks,
            }
          : {}),
        values: (_plot, ticks) => ticks.map((tick) => (tick === null ? '' : props.axis(tick))),
      },
    ],
    series: [
      {},
      ...props.series.map((series) => ({
        label: series.name,
        stroke: token(`series-${series.colour}`),
        width: 1.75,
        ...(series.dash ? { dash: [...series.dash] } : {}),
        spanGaps: false,
        points: { show: false, size: 5, fill: token(`series-${series.colour}`), filter: lonePoints },
      })),
    ],
    hooks: {
      drawClear: [(plot) => drawHeat(plot, props), (plot) => hatchRunning(plot, props)],
      draw: [(plot) => drawMarks(plot, props)],
      setCursor: [(plot) => setIndex(plot.cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          if (plot.select.width < 6) return
          const from = plot.posToVal(plot.select.left, 'x') * 1000
          const to = plot.posToVal(plot.select.left + plot.select.width, 'x') * 1000
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
          setRange(Math.round(from), Math.round(to))
        },
      ],
    },
  }
}

/** Of a log axis: 1, 2, 5, 10, … */
function roundTicks(low: number, high: number): number[] {
  const ticks: number[] = []
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    ticks.push(...[1, 2, 5].map((digit) => digit * 10 ** power).filter((tick) => tick >= low && tick <= high))
  }
  return ticks
}

/** Values with a gap at either side make no line: they are drawn as points, so that they are seen. */
function lonePoints(plot: uPlot, index: number): number[] {
  const values = plot.data[index] ?? []
  const missing = (at: number) => typeof values[at] !== 'number'
  return [...values.keys()].filter((at) => !missing(at) && missing(at - 1) && missing(at + 1))
}

/** Midnight says the day, else the hour. */
function tickText(time_ms: number, span_ms: number): string {
  const time = minuteTime(time_ms)
  return time === '00:00' || span_ms > 12 * 86_400_000 ? day(time_ms) : time
}

/** The hour that still runs, or has not begun, is hatched: its number is not final. */
function hatchRunning(plot: uPlot, props: ChartProps): void {
  const start = Math.floor(now.value / props.interval_ms) * props.interval_ms
  if (start >= props.to_ms) return
  const { ctx, bbox } = plot
  const left = Math.max(bbox.left, plot.valToPos(start / 1000, 'x', true))
  const right = bbox.left + bbox.width
  ctx.save()
  ctx.beginPath()
  ctx.rect(left, bbox.top, right - left, bbox.height)
  ctx.clip()
  ctx.strokeStyle = token('line-strong')
  ctx.lineWidth = devicePixelRatio
  ctx.beginPath()
  for (let x = left - bbox.height; x < right; x += 6 * devicePixelRatio) {
    ctx.moveTo(x, bbox.top + bbox.height)
    ctx.lineTo(x + bbox.height, bbox.top)
  }
  ctx.globalAlpha = 0.6
  ctx.stroke()
  ctx.restore()
}

/**
 * A dashed line at each mark, and where it ends when it lasts, with a bar at the top between them. Its words stand above
 * the chart, at the right edge to the left of the line; those that find no room, or would seem to be of another mark, are
 * left away.
 */
function drawMarks(plot: uPlot, props: ChartProps): void {
  const { ctx, bbox } = plot
  const pixel = devicePixelRatio
  const right = bbox.left + bbox.width
  const place = (time_ms: number) => Math.round(plot.valToPos(time_ms / 1000, 'x', true))
  /** Where the words end that each line of them has so far. */
  const taken = Array.from({ length: wordLines(props) }, () => 0)
  let before = 0
  ctx.save()
  ctx.strokeStyle = token('text-soft')
  ctx.fillStyle = token('text-soft')
  ctx.lineWidth = pixel
  ctx.font = `${11 * pixel}px ${token('sans')}`
  ctx.textAlign = 'left'
  ctx.textBaseline = 'middle'
  ctx.setLineDash([3 * pixel, 3 * pixel])
  for (const { time_ms, to_ms = time_ms, words } of (props.marks ?? []).toSorted((a, b) => a.time_ms - b.time_ms)) {
    const [from, to] = [place(time_ms), place(to_ms)]
    if (to < bbox.left || from > right) continue
    ctx.beginPath()
    for (const x of new Set([from, to])) {
      if (x < bbox.left || x > right) continue
      ctx.moveTo(x, bbox.top)
      ctx.lineTo(x, bbox.top + bbox.height)
    }
    ctx.stroke()
    const start = Math.max(from, bbox.left)
    ctx.fillRect(start, bbox.top, Math.min(to, right) - start, 3 * pixel)
    const width = ctx.measureText(words).width + 8 * pixel
    const left = start + width < right ? start : Math.max(bbox.left, start - width)
    const own = left === start || left >= before
    const line = taken.findIndex((end, index) => end <= left && (own || index > 0))
    before = to
    if (line < 0) continue
    taken[line] = left + width
    ctx.fillText(words, left + 4 * pixel, bbox.top - (line + 0.5) * WORDS_PX * pixel)
  }
  ctx.restore()
}

/** Lines of words above a chart: two where it is tall. */
function wordLines({ marks, height }: ChartProps): number {
  return !marks?.length ? 0 : height > 200 ? 2 : 1
}

/** What a chart shows, for who does not see it. */
function labelOf({ label, marks = [] }: ChartProps): string {
  const told = marks.map(({ time_ms, to_ms, words }) => {
    const until = to_ms === undefined ? '' : ` to ${dayTime(to_ms)}`
    return `; ${words}, ${dayTime(time_ms)}${until}`
  })
  return `${label}${told.join('')}`
}

/** Cells by interval and log bucket; colour grows with the share of the interval's commands, so that each column reads. */
function drawHeat(plot: uPlot, props: ChartProps): void {
  const heat = props.heat
  if (!heat) return
  const { ctx, bbox } = plot
  const most = Math.max(1, ...heat.cells.map((cell) => cell[2]))
  const from = token('heat-0').split(' ').map(Number)
  const to = token('heat-1').split(' ').map(Number)
  ctx.save()
  ctx.beginPath()
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height)
  ctx.clip()
  for (const [index, cell, count] of heat.cells) {
    const start = props.time_ms[index]
    if (start === undefined) continue
    const left = Math.round(plot.valToPos(start / 1000, 'x', true))
    const right = Math.round(plot.valToPos((start + props.interval_ms) / 1000, 'x', true))
    const top = Math.round(plot.valToPos(heat.gamma ** (cell + 1), 'y', true))
    const bottom = Math.round(plot.valToPos(heat.gamma ** cell, 'y', true))
    const strength = Math.sqrt(count / most)
    ctx.fillStyle = `rgb(${from.map((value, part) => Math.round(value + ((to[part] ?? 0) - value) * strength)).join(' ')})`
    const gap = right - left > 6 * devicePixelRatio ? devicePixelRatio : 0
    ctx.fillRect(left, top, Math.max(1, right - left - gap), Math.max(1, bottom - top))
  }
  ctx.restore()
}
