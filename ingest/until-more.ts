import type { Clock } from '../contract/clock.ts'
import type { EventLog } from './event-log.ts'
import type { Share } from './share.ts'

/** Resolves when the log has a record at or past one of `wanted`, after `left_ms`, at the signal, or when the share changes. */
export async function untilMore(
  { log, clock, share }: { readonly log: EventLog; readonly clock: Clock; readonly share: Share },
  wanted: readonly { readonly bucket: number; readonly from: number }[],
  signal: AbortSignal,
  left_ms: number,
): Promise<void> {
  const over = new AbortController()
  const end = () => over.abort()
  const unwatch = share.watch(end)
  const cancel = clock.timer(left_ms, end)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  const waits = wanted.map(({ bucket, from }) => log.waitFor(bucket, from, over.signal))
  try {
    // With no bucket, or none that can be read, there is nothing to wait for but the end.
    if (waits.length > 0) await Promise.race(waits)
    else await new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve(), { once: true }))
  } finally {
    end()
    cancel()
    unwatch()
    signal.removeEventListener('abort', end)
    await Promise.allSettled(waits)
  }
}
