import { z } from 'zod'

const number = z.coerce.number()
const maybe = z.preprocess((value) => value ?? undefined, number.optional())

/** The last run of a metric that failed, and that no later one made up for. */
export const failure = z.object({
  metric: z.string(),
  reason: z.string().describe('of the last'),
  since_ms: number.describe('when the first of them began'),
  last_ms: number.describe('when the last of them began'),
  times: number.describe('how many there were'),
  first_hour_ms: maybe.describe('of what it did not make; absent for a whole history'),
  last_hour_ms: maybe,
})
export type Failure = z.infer<typeof failure>

/** The failure of a metric that matters still: something of what it did not make is due. */
export function failureOf(
  failures: readonly Failure[],
  metric: string,
  due: readonly { readonly first_ms: number; readonly last_ms: number }[],
): Failure | undefined {
  return failures.find(
    ({ metric: name, first_hour_ms = 0, last_hour_ms = Number.POSITIVE_INFINITY }) =>
      name === metric && due.some(({ first_ms, last_ms }) => first_ms <= last_hour_ms && last_ms >= first_hour_ms),
  )
}
