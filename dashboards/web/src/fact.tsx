import { Explain, RowsLink } from './definition.tsx'
import './fact.css'
import './figure.css'
import { Tag } from './icon.tsx'
import { whole } from './number-format.ts'
import { Skeleton } from './state-notes.tsx'

/** One thing to know at a glance: a number that is as it is now, without a window before to compare it with. */
export function Fact(props: {
  readonly title: string
  readonly definition: string
  readonly text: string | undefined
  readonly exact?: number | undefined
  readonly unit?: string
  readonly note: string | undefined
  readonly tone?: 'warn' | 'bad' | undefined
  readonly sql?: string | undefined
  readonly stale: boolean
}) {
  const { title, text, unit, note, tone, sql } = props
  return (
    <section class={`figure fact ${props.stale ? 'stale' : ''}`} aria-label={title}>
      <div class="name">
        <span class="title">{title}</span>
        <Explain name={props.definition} />
        {sql && <RowsLink sql={sql} label={title} />}
      </div>
      <div class="value" title={props.exact === undefined ? undefined : whole(props.exact)}>
        {text === undefined ? <Skeleton width={88} height={24} /> : text}
        {text !== undefined && unit && <span class="unit">{unit}</span>}
        {tone && <Tag tone={tone}>see below</Tag>}
      </div>
      <div class="change">{note === undefined ? <Skeleton width={120} height={12} /> : note}</div>
    </section>
  )
}
