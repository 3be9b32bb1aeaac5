import { messageOf } from '../contract/problem.ts'
import { probeStore } from '../lake/store-probe.ts'
import type { CliContext } from './context.ts'
import type { Finding } from './doctor.ts'
import { lakeStore } from './lake-store.ts'
import { STORE_CLOCK_MAX_MS } from './limits.ts'

/** Of a lake that is elsewhere: can it be reached and written to, does it keep writers apart, and do the clocks agree? */
export async function storeFindings(
  context: Pick<CliContext, 'home' | 'config' | 'clock' | 'random'>,
): Promise<readonly Finding[]> {
  if (context.config.lake.url === '') return []
  const store = lakeStore(context)
  try {
    const { ahead_ms } = await probeStore(store, context)
    const good = { check: 'lake store', state: 'good', found: `${store.url} answers, and keeps writers apart` } as const
    return [good, clockFinding(ahead_ms)]
  } catch (error) {
    return [{ check: 'lake store', state: 'bad', found: messageOf(error), advice: 'docs/s3.md has what a store needs' }]
  }
}

function clockFinding(ahead_ms: number): Finding {
  const seconds = Math.abs(ahead_ms / 1000).toFixed(0)
  const found = `this machine's is ${seconds} s ${ahead_ms > 0 ? 'behind' : 'ahead of'} the store's`
  if (Math.abs(ahead_ms) <= STORE_CLOCK_MAX_MS) return { check: 'store clock', state: 'good', found }
  const advice =
    'set the clock of this machine right: times of events are computed from it, and S3 refuses signatures of it'
  return { check: 'store clock', state: 'bad', found, advice }
}
