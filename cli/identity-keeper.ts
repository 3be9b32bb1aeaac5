/** What keeps a running hub's certificate good, and its idea of whom to trust: it asks, and renews where that helps. */
import { authorities, isSignedByFirst, pastFor, renew, renewalDue, sayTrust } from '../hub-agent/enrolment.ts'
import type { CliContext } from './context.ts'
import { keepFiles } from './hub-files.ts'
import { type HubIdentity, hubFolder } from './hub-identity.ts'
import type { Log } from './log.ts'

const SAY_AGAIN_MS = 86_400_000

/**
 * Looks about each `look_ms` at the endpoint `url`. A certificate is renewed when its time has come, when another CA signs now,
 * and when other CAs are trusted than the hub knows; what it has on its disk then, it says by it, which is what a rotation of the
 * CA waits for. Connections take the new one when they are made anew. Returns what ends it.
 */
export function keepIdentity(
  context: Pick<CliContext, 'home' | 'clock' | 'random'>,
  {
    identity,
    url,
    look_ms,
    log,
  }: {
    readonly identity: HubIdentity
    readonly url: string
    readonly look_ms: number
    readonly log: Pick<Log, 'info' | 'failed'>
  },
): () => void {
  const { clock, random } = context
  const { hub, tls } = identity
  let ended = false
  let said = ''
  let said_ms = 0

  async function look(): Promise<void> {
    const now_ms = clock.now()
    try {
      const fleet = await authorities({ url, tls, now_ms })
      // By the earlier clock, hub's or fleet's: one that is ahead must renew nothing. One that stays at 1970 does not count.
      const due_ms = now_ms < pastFor(tls.cert) ? fleet.now_ms : Math.min(now_ms, fleet.now_ms)
      const isGood = fleet.ca === tls.ca && isSignedByFirst(tls.cert, fleet.ca) && !renewalDue(tls.cert, due_ms)
      if (!isGood && !ended) {
        const renewed = await renew({ url, tls, now_ms })
        keepFiles(hubFolder(context, hub), renewed.tls)
        Object.assign(tls, renewed.tls)
        log.info('renewed', `${hub}: has a new certificate`, { hub, expires_ms: renewed.expires_ms })
      }
      const has = tls.cert + tls.ca
      // Once more each day: the registry may have been restored from a copy of before.
      const isSaid = said === has && clock.monotonic() - said_ms < SAY_AGAIN_MS
      if (!isSaid && (await sayTrust({ url, tls, now_ms }))) {
        said = has
        said_ms = clock.monotonic()
      }
    } catch (error) {
      // Whatever it is (no way there, a full disk): the hub goes on with what it has, and it is tried again.
      if (!ended) log.failed('identity', error, { hub })
    }
    if (!ended) cancel = clock.timer(wait_ms(), () => void look())
  }
  // Spread, so that a fleet does not ask at once.
  const wait_ms = () => look_ms * (0.5 + random.float())
  let cancel = clock.timer(look_ms * random.float(), () => void look())
  return () => {
    ended = true
    cancel()
  }
}
