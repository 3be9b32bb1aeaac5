import type { CompletenessAnswer } from '../../../api.ts'
import type { QueryAnswer } from '../../../query-protocol.ts'
import { ask } from '../api-client.ts'
import { Explain } from '../definition.tsx'
import { percent } from '../number-format.ts'
import { useResource } from '../resource.ts'
import { clockTime, dayTime } from '../time-range.ts'

const DAY_MS = 86_400_000

/** How much of the days that a query read is known to be missing, and for today, to when there was data. */
export function Completeness(props: {
  readonly days: NonNullable<QueryAnswer['statistics']['days']>
  readonly data_to_ms: number | null
}) {
  const from_ms = Date.parse(props.days.first)
  const to_ms = Date.parse(props.days.last) + DAY_MS
  const { answer, failure } = useResource(
    () => `/api/completeness?from=${from_ms}&to=${to_ms}`,
    (address, signal) => ask<CompletenessAnswer>(address, { signal }),
  ).state.value
  const { first, last } = props.days
  const { data_to_ms } = props
  return (
    <span class="read">
      {first === last ? first : `${first} to ${last}`}
      {data_to_ms !== null && data_to_ms < to_ms && ` (data to ${clockTime(data_to_ms)})`}:{' '}
      {lossOf(answer, failure !== undefined)} <Explain name="loss" />
    </span>
  )
}

function lossOf(answer: CompletenessAnswer | undefined, failed: boolean): string {
  if (!answer) return failed ? 'loss could not be read' : 'loss …'
  if (answer.loss === null || answer.known_to_ms === null) return 'loss not known yet'
  return `${percent(answer.loss)} % lost, known to ${dayTime(answer.known_to_ms)}`
}
