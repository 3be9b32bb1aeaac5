import { sleep } from '../contract/clock.ts'
import { isProblem } from '../contract/problem.ts'
import type { CliContext } from './context.ts'
import type { Log } from './log.ts'

type Where = { readonly kafka: { readonly brokers: string }; readonly lake: { readonly url: string } }

const FIRST_MS = 500
const LONGEST_MS = 10_000

/**
 * Opens what may be away for now, as brokers and S3 servers are: tries again while it is `unavailable`, with back-off, and
 * says so. Raises anything else, and the signal's reason.
 */
export async function untilThere<T>(
  { clock, config, signal }: Pick<CliContext, 'clock' | 'signal'> & { readonly config: Where },
  log: Pick<Log, 'warn'>,
  open: () => Promise<T>,
): Promise<T> {
  // What is on this machine alone does not come back by waiting.
  if (config.kafka.brokers === '' && config.lake.url === '') return await open()
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
