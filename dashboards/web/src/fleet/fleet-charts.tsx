import { useMemo } from 'preact/hooks'
import type { FleetAnswer } from '../../../api.ts'
import { Chart, type Series } from '../chart.tsx'
import { Explain, RowsLink } from '../definition.tsx'
import { durationText, percent, tick, whole } from '../number-format.ts'
import { Skeleton } from '../state-notes.tsx'

const TALL = 260
const LOW = 150

/** Latency wide as a heat map under its percentiles; availability, command success, loss and commands below it. */
export function FleetCharts({ answer }: { readonly answer: FleetAnswer | undefined }) {
  const lines = useMemo(() => {
    if (!answer) return undefined
    const { series } = answer
    return {
      latency: [
        { name: 'p50', colour: 3, values: series.p50 },
        { name: 'p95', colour: 5, values: series.p95 },
        { name: 'p99', colour: 2, values: series.p99 },
      ] satisfies Series[],
      availability: [{ name: 'availability', colour: 1, values: series.availability }] satisfies Series[],
      success: [{ name: 'command success', colour: 1, values: series.success }] satisfies Series[],
      loss: [{ name: 'lost', colour: 2, values: series.loss }] satisfies Series[],
      commands: [{ name: 'commands', colour: 1, values: series.commands }] satisfies Series[],
    }
  }, [answer])
  const common = answer && {
    time_ms: answer.series.time_ms,
    interval_ms: answer.window.interval_ms,
    from_ms: answer.window.from_ms,
    to_ms: answer.window.to_ms,
    marks: answer.marks,
  }
  const hours = answer?.series.sql.hours ?? ''
  const each = answer
    ? answer.window.interval_ms === 3_600_000
      ? 'each hour'
      : `each ${answer.window.interval_ms / 3_600_000} h`
    : ''
  return (
    <div class="charts">
      <Panel
        wide
        title="Tap to light"
        unit={`ms, log scale, ${each}`}
        definition="tap_to_light"
        sql={answer?.series.sql.latency ?? ''}
        height={TALL}
      >
        {answer && common && lines && (
          <Chart
            {...common}
            label="Tap to light: heat map of commands by duration, with median, 95th and 99th percentile"
            height={TALL}
            series={lines.latency}
            heat={answer.heat}
            axis={tick}
            value={durationText}
            scale={{ kind: 'log', range: () => heatRange(answer) }}
          />
        )}
      </Panel>
      <Panel title="Availability" unit={`%, ${each}`} definition="availability" sql={hours} height={LOW}>
        {common && lines && (
          <Chart
            {...common}
            label="Availability over time"
            height={LOW}
            series={lines.availability}
            axis={percentTick}
            value={percentText}
            scale={{ kind: 'linear', range: shareRange }}
          />
        )}
      </Panel>
      <Panel title="Command success" unit={`%, ${each}`} definition="success" sql={hours} height={LOW}>
        {common && lines && (
          <Chart
            {...common}
            label="Command success over time"
            height={LOW}
            series={lines.success}
            axis={percentTick}
            value={percentText}
            scale={{ kind: 'linear', range: shareRange }}
          />
        )}
      </Panel>
      <Panel title="Telemetry loss" unit={`%, ${each}`} definition="loss" sql={hours} height={LOW}>
        {common && lines && (
          <Chart
            {...common}
            label="Telemetry loss over time"
            height={LOW}
            series={lines.loss}
            axis={percentTick}
            value={percentText}
            scale={{ kind: 'linear', range: (_low, high) => fromZero(high, 0.0001) }}
          />
        )}
      </Panel>
      <Panel title="Commands" unit={`issued, ${each}`} definition="commands" sql={hours} height={LOW}>
        {common && lines && (
          <Chart
            {...common}
            label="Commands issued over time"
            height={LOW}
            series={lines.commands}
            axis={whole}
            value={whole}
            scale={{ kind: 'linear', range: (_low, high) => fromZero(high, 1) }}
          />
        )}
      </Panel>
    </div>
  )
}

function Panel(props: {
  readonly title: string
  readonly unit: string
  readonly definition: string
  readonly sql: string
  readonly height: number
  readonly wide?: boolean
  readonly children: preact.ComponentChildren
}) {
  return (
    <section class={`card ${props.wide ? 'wide' : ''}`}>
      <header>
        <h2>{props.title}</h2>
        <span class="unit">{props.unit}</span>
        <span class="links">
          <Explain name={props.definition} />
          {props.sql && <RowsLink sql={props.sql} label={props.title} />}
        </span>
      </header>
      {props.children || (
        <div style={{ height: `${props.height + 34}px`, padding: '0 16px' }}>
          <Skeleton width="100%" height={props.height - 16} />
        </div>
      )}
    </section>
  )
}

const percentText = (value: number | null | undefined) => (typeof value === 'number' ? `${percent(value)} %` : '–')
/** A little below zero, so that a line of zeros is seen. */
function fromZero(high: number, least: number): readonly [number, number] {
  const top = Math.max(high || 0, least) * 1.15
  return [-top / 40, top]
}
const percentTick = (value: number) => `${Number((value * 100).toPrecision(5))}`

/** Near 100 % the floor follows the worst point, so that a dip is seen and a flat line is not blown up. */
function shareRange(low: number): readonly [number, number] {
  const floor = Number.isNaN(low) ? 0.9 : Math.min(low, 0.99)
  return [Math.max(0, floor - (1 - floor) * 0.15), 1 + (1 - floor) * 0.08]
}

/** From below the quickest to above the slowest cell. */
function heatRange(answer: FleetAnswer): readonly [number, number] {
  const cells = answer.heat.cells.map((cell) => cell[1])
  if (cells.length === 0) return [1, 1000]
  const { gamma } = answer.heat
  return [gamma ** (Math.min(...cells) - 1), gamma ** (Math.max(...cells) + 2)]
}
