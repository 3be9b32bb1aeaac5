import type { FigureValue } from '../../api.ts'
import { Explain, RowsLink } from './definition.tsx'
import './figure.css'
import { duration, NOTHING, percent, signed, significant, whole } from './number-format.ts'
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
  if (kind === 'share') return signed((value - before) * 100, (points) => `${significant(points)} pp`)
  if (before === 0) return signed(value, whole)
  const relative = (value - before) / before
  return Math.abs(relative) < 0.0005 ? 'unchanged' : signed(relative * 100, (share) => `${significant(share)} %`)
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
  readonly stale: boolean
}) {
  const { figure, kind, good, title } = props
  const value = figure?.value ?? null
  const before = figure?.before ?? null
  const { text, unit } = written(kind, value)
  let change = <>{NOTHING}</>
  if (value !== null && before !== null) {
    const better = value === before || !good ? undefined : value > before === (good === 'up')
    change = (
      <>
        <span class={better === undefined ? '' : better ? 'better' : 'worse'}>
          {value === before ? '' : value > before ? '▲ ' : '▼ '}
          {changeText(kind, value, before)}
          {better === undefined ? '' : better ? ', better' : ', worse'}
        </span>{' '}
        than {props.window}
      </>
    )
    if (value === before) change = <>as in {props.window}</>
  } else if (value !== null) change = <>no data in {props.window}</>
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
            <div>{change}</div>
            {props.note && <div>{props.note}</div>}
          </>
        ) : (
          <Skeleton width={120} height={12} />
        )}
      </div>
    </section>
  )
}
