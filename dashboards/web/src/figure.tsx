import type { FigureValue } from '../../api.ts'
import { Explain, RowsLink } from './definition.tsx'
import './figure.css'
import { duration, NOTHING, percent, significant, whole } from './number-format.ts'
import { Skeleton } from './state-notes.tsx'

export type FigureKind = 'share' | 'ms' | 'count'

/** The value in its unit. */
function written(kind: FigureKind, value: number | null): { readonly text: string; readonly unit: string } {
  if (kind === 'share') return { text: percent(value), unit: '%' }
  if (kind === 'ms') return duration(value)
  return { text: whole(value), unit: '' }
}

/** The change against the window before: shares in percentage points, the rest in per cent of what it was. */
export function changeText(kind: FigureKind, value: number, before: number): string {
  if (value === before) return 'unchanged'
  if (kind === 'share') return `${significant(Math.abs(value - before) * 100)} pp`
  if (before === 0) return whole(Math.abs(value))
  const relative = (value - before) / before
  return Math.abs(relative) < 0.0005 ? 'unchanged' : `${significant(Math.abs(relative) * 100)} %`
}

type Comparison = { readonly tone: '' | 'better' | 'worse'; readonly words: string; readonly against: string }

function compare(
  kind: FigureKind,
  value: number | null,
  before: number | null,
  good: 'up' | 'down' | undefined,
  window: string,
): Comparison {
  if (value === null) return { tone: '', words: 'no data in this window', against: '' }
  if (before === null) return { tone: '', words: `no data in ${window}`, against: '' }
  const change = changeText(kind, value, before)
  if (change === 'unchanged') return { tone: '', words: 'unchanged', against: `against ${window}` }
  const tone = !good ? '' : value > before === (good === 'up') ? 'better' : 'worse'
  const words = `${value > before ? '▲' : '▼'} ${change}${tone === '' ? '' : `, ${tone}`}`
  return { tone, words, against: `against ${window}` }
}

/** One number: what it is, its value and unit, its change against the window before, its definition, its rows. */
export function Figure(props: {
  readonly title: string
  readonly definition: string
  readonly kind: FigureKind
  readonly figure: FigureValue | undefined
  /** Which direction is good; undefined: neither. */
  readonly good?: 'up' | 'down'
  /** Of the window before: `the 24 h before`. */
  readonly window: string
  /** What it was computed over. */
  readonly note?: string | undefined
  /** Share of telemetry lost in the window: the number was made without it, and says so. */
  readonly lost?: number | null | undefined
  readonly stale: boolean
}) {
  const { figure, kind, good, title } = props
  const value = figure?.value ?? null
  const before = figure?.before ?? null
  const { text, unit } = written(kind, value)
  const comparison = compare(kind, value, before, good, props.window)
  return (
    <section class={`figure ${props.stale ? 'stale' : ''}`} aria-label={title}>
      <div class="name">
        <span class="title">{title}</span>
        <Explain name={props.definition} />
        {figure && <RowsLink sql={figure.sql} label={title} />}
      </div>
      {figure ? (
        <div class="value">
          {text}
          {unit && text !== NOTHING && <span class="unit">{unit}</span>}
        </div>
      ) : (
        <div class="value">
          <Skeleton width={88} height={24} />
        </div>
      )}
      <div class="change">
        {figure ? (
          <>
            <div class={comparison.tone}>{comparison.words}</div>
            <div>{comparison.against}</div>
            {props.note && <div>{props.note}</div>}
            {props.lost ? <div class="lost">from {percent(1 - props.lost)} % of events</div> : null}
          </>
        ) : (
          <Skeleton width={120} height={12} />
        )}
      </div>
    </section>
  )
}
