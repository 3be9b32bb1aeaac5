import type { Authority } from '../registry/authority.ts'
import type { CliContext } from './context.ts'
import { AUTHORITY_LOOK_MS, CERTIFICATES_LOOK_MS } from './limits.ts'
import type { Log } from './log.ts'

/**
 * Looks whether the CA is being replaced; `changed` then takes over what it signs and trusts. Now and then it is called
 * all the same: a server's own certificate ends too, and is renewed where that is near. Returns what ends it.
 */
export function watchAuthority(
  { clock }: Pick<CliContext, 'clock'>,
  log: Pick<Log, 'info' | 'failed'>,
  authority: Pick<Authority, 'reload'>,
  changed: () => Promise<void>,
): () => void {
  let ended = false
  let pending = false
  let renewed_ms = clock.monotonic()
  const look = async () => {
    try {
      // A change that could not be taken over is taken over at the next look.
      pending = (await authority.reload()) || pending
      const isDue = clock.monotonic() - renewed_ms >= CERTIFICATES_LOOK_MS
      if ((pending || isDue) && !ended) {
        await changed()
        renewed_ms = clock.monotonic()
        if (pending) log.info('authority', "took over a change of the fleet's CA; sessions go on")
        pending = false
      }
    } catch (error) {
      // Whatever it is (a full disk, a registry that is away): what serves goes on, and it is tried again.
      log.failed('authority', error)
    }
    if (!ended) cancel = clock.timer(AUTHORITY_LOOK_MS, () => void look())
  }
  let cancel = clock.timer(AUTHORITY_LOOK_MS, () => void look())
  return () => {
    ended = true
    cancel()
  }
}
