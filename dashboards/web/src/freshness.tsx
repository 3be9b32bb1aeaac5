import { computed, signal } from '@preact/signals'
import type { FreshnessAnswer } from '../../api.ts'
import { ask } from './api-client.ts'
import { browserClock } from './browser.ts'
import { Explain } from './definition.tsx'
import { Tag } from './icon.tsx'
import { percent } from './number-format.ts'
import { useResource } from './resource.ts'
import { age, clockTime, dayTime } from './time-range.ts'

const EVERY_MS = 5_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Data older than this is marked. */
const OLD_MS = 120_000

/** The newest answer; pages read from it whether there is any data, and how far metrics reach. */
export const freshness = signal<FreshnessAnswer | undefined>(undefined)
export const metricsTo = computed(() => freshness.value?.metrics_to_ms ?? null)

/** How new the data is, at the right of the top bar. */
export function Freshness() {
  const { state } = useResource(
    () => '/api/freshness',
    async (address, signal) => {
      const answer = await ask<FreshnessAnswer>(address, { signal })
      freshness.value = answer
      return answer
    },
    EVERY_MS,
  )
  const { answer, failure, answered_ms } = state.value
  const newest = answer?.newest_received_ms
  if (failure && answered_ms !== undefined) {
    return (
      <div class="freshness" aria-live="polite">
        <Tag tone="bad">{`last answer ${age(browserClock.now() - answered_ms)} ago`}</Tag>
      </div>
    )
  }
  // Of a server that is gone, or a session that ended, the page tells.
  if (failure && failure.kind !== 'gone' && failure.kind !== 'unauthorized') {
    return (
      <div class="freshness" role="alert" title={failure.message}>
        <Tag tone="bad">how new the data is cannot be read</Tag>
        <span class="why">{failure.message}</span>
      </div>
    )
  }
  if (!answer) return <div class="freshness" />
  if (newest === null || newest === undefined) return <div class="freshness">no data yet</div>
  const old_ms = answer.now_ms - newest
  return (
    <div class="freshness" title={`newest event received ${age(old_ms)} ago`}>
      {old_ms > OLD_MS ? <Tag tone="warn">{`${age(old_ms)} old`}</Tag> : null}
      <span>
        data to <b data-changing>{old_ms > DAY_MS ? dayTime(newest) : clockTime(newest)}</b>, loss{' '}
        {answer.loss === null ? 'not known yet' : `${percent(answer.loss)} %`}
      </span>
      <Explain name="freshness" />
    </div>
  )
}

/** While jobs catch up with the events, after a first start or a pause, that the newest hours are still to come. */
export function CatchingUp() {
  const answer = freshness.value
  const reached = answer?.metrics_to_ms
  if (!answer?.newest_received_ms || !reached) return null
  if (reached >= Math.floor(answer.newest_received_ms / HOUR_MS) * HOUR_MS) return null
  return (
    <div class="banner calm" role="status">
      Metrics reach to {dayTime(reached)}. The hours since then are being calculated and appear here by themselves;{' '}
      <code>hearth jobs status</code> tells how many are due.
    </div>
  )
}
