import type { ComponentChildren } from 'preact'
import { browserClock } from './browser.ts'
import { Shape } from './icon.tsx'
import type { Resource } from './resource.ts'
import './state-notes.css'
import { age, clockTime } from './time-range.ts'

/** Nothing here yet: why, and what to do. */
export function Empty({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <div class="note" role="status">
      <strong>{title}</strong>
      <p>{children}</p>
    </div>
  )
}

/** What failed, when it last worked, and a way to try again; what was there stays, marked as old. */
export function Trouble<T>({
  what,
  resource,
  retry,
}: {
  readonly what: string
  readonly resource: Resource<T>
  readonly retry: () => void
}) {
  const { failure, answered_ms } = resource
  if (!failure) return null
  return (
    <div class="banner bad" role="alert">
      <Shape tone="bad" />
      <span>
        {what} could not be read: <Words text={failure.message} />{' '}
        {answered_ms === undefined
          ? 'It has not worked since this page was opened.'
          : `Shown as of ${clockTime(answered_ms)}, ${age(browserClock.now() - answered_ms)} ago.`}
      </span>
      <button type="button" class="button" onClick={retry}>
        Try again
      </button>
    </div>
  )
}

/** Words in which `this` is code. */
export function Words({ text }: { readonly text: string }) {
  return <>{text.split('`').map((part, index) => (index % 2 === 0 ? part : <code key={index}>{part}</code>))}</>
}

export function Skeleton({ width, height = 14 }: { readonly width: number | string; readonly height?: number }) {
  return <span class="skeleton" aria-hidden="true" style={{ width, height }} />
}

/** Rows of a table that are still to come. */
export function SkeletonRows({ count, columns }: { readonly count: number; readonly columns: number }) {
  return (
    <>
      {Array.from({ length: count }, (_, index) => (
        <tr key={index}>
          <td colSpan={columns}>
            <Skeleton width={`${90 - ((index * 13) % 30)}%`} />
          </td>
        </tr>
      ))}
    </>
  )
}
