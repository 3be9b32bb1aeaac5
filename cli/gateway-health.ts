import type { Clock } from '../contract/clock.ts'
import { isProblem, messageOf } from '../contract/problem.ts'
import type { EventLog } from '../ingest/event-log.ts'
import type { BucketState } from '../ingest/writer.ts'
import { APPEND_FAILURE_COUNTS_MS, CLOCK_BACK_MAX_MS } from './limits.ts'

export type GatewayHealth = {
  /** Why this gateway should get no traffic now; empty when it should. */
  reasons(): readonly string[]
  /** Passes on what `receive` does, and remembers how it went. */
  watch<T>(receive: () => Promise<T>): Promise<T>
}

/**
 * Is the gateway fit for traffic? Not when its log takes no appends, when the writer stopped a bucket, or when the
 * machine's clock is behind what this gateway itself gave out as times of receipt: event times are computed from it.
 * `newest_ms`: the newest time of receipt in the log.
 */
export function gatewayHealth(options: {
  readonly clock: Clock
  readonly newest_ms: number
  readonly buckets: () => readonly BucketState[]
  readonly draining: () => boolean
}): GatewayHealth {
  const { clock } = options
  let newest_ms = options.newest_ms
  let failure: { readonly at_ms: number; readonly reason: string } | undefined
  return {
    reasons() {
      const reasons: string[] = []
      if (options.draining()) reasons.push('the gateway is draining')
      if (failure && clock.monotonic() - failure.at_ms < APPEND_FAILURE_COUNTS_MS) {
        reasons.push(`the event log takes no batches: ${failure.reason}`)
      }
      const behind_ms = newest_ms - clock.now()
      if (behind_ms > CLOCK_BACK_MAX_MS) {
        reasons.push(
          `the clock of this machine is ${(behind_ms / 1000).toFixed(1)} s behind the last batch: set it right`,
        )
      }
      return [...reasons, ...stoppedReasons(options.buckets())]
    },
    async watch(receive) {
      try {
        const answer = await receive()
        failure = undefined
        newest_ms = Math.max(newest_ms, clock.now())
        return answer
      } catch (error) {
        // No room, or closing: its own account; everything else is the log's trouble.
        if (!isProblem(error, 'limit', 'closed')) failure = { at_ms: clock.monotonic(), reason: messageOf(error) }
        throw error
      }
    },
  }
}

export function stoppedReasons(buckets: readonly BucketState[]): readonly string[] {
  return buckets.flatMap(({ bucket, stopped }) =>
    stopped === undefined ? [] : [`bucket ${bucket} is stopped: ${stopped}`],
  )
}

/** The newest time of receipt that the log holds; 0 when it holds nothing. A last record that cannot be read is passed over. */
export async function newestReceipt_ms(log: EventLog): Promise<number> {
  let newest_ms = 0
  for (let bucket = 0; bucket < log.buckets; bucket++) {
    const { next } = await log.bounds(bucket)
    const [last] = await log.read(bucket, next - 1, 1).catch((error: unknown) => {
      if (isProblem(error, 'corrupt')) return []
      throw error
    })
    newest_ms = Math.max(newest_ms, last?.record.received_ms ?? 0)
  }
  return newest_ms
}
