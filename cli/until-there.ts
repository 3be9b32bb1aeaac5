import { sleep } from '../contract/clock.ts'
import { isProblem } from '../contract/problem.ts'
import type { CliContext } from './context.ts'
import type { Log } from './log.ts'

const FIRST_MS = 500
const LONGEST_MS = 10_000

/**
 * Opens what may be away for now, as brokers and stores are: tries again while it is `unavailable`, with back-off, and
 * says so. Raises anything else, and the signal's reason.
 */
export async function untilThere<T>(
  { clock, signal }: Pick<CliContext, 'clock' | 'signal'>,
  log: Pick<Log, 'warn'>,
  open: () => Promise<T>,
): Promise<T> {
  for (let delay_ms = FIRST_MS; ; delay_ms = Math.min(LONGEST_MS, delay_ms * 2)) {
    try {
      return await open()
    } catch (error) {
      if (!isProblem(error, 'unavailable') || signal.aborted) throw error
      log.warn('waiting', `not there yet, tries again in ${delay_ms} ms: ${error.message}`, { delay_ms })
      await sleep(clock, delay_ms, signal)
    }
  }
}
