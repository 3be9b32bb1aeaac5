/** What keeps a running hub's certificate good, and its idea of whom to trust: it asks, and renews where that helps. */
import { authorities, isSignedByFirst, renew, renewalDue, sayTrust } from '../hub-agent/enrolment.ts'
import type { CliContext } from './context.ts'
import { keepFiles } from './hub-files.ts'
import { type HubIdentity, hubFolder } from './hub-identity.ts'
import type { Log } from './log.ts'

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

  async function look(): Promise<void> {
    const now_ms = clock.now()
    try {
      const fleet = await authorities({ url, tls, now_ms })
      // By the fleet's clock: one that stays at 1970 would never renew, one that is far ahead at each look.
      const isGood = fleet.ca === tls.ca && isSignedByFirst(tls.cert, fleet.ca) && !renewalDue(tls.cert, fleet.now_ms)
      if (!isGood && !ended) {
        const renewed = await renew({ url, tls, now_ms })
        keepFiles(hubFolder(context, hub), renewed.tls)
        Object.assign(tls, renewed.tls)
        log.info('renewed', `${hub}: has a new certificate`, { hub, expires_ms: renewed.expires_ms })
      }
      const has = tls.cert + tls.ca
      if (said !== has && (await sayTrust({ url, tls, now_ms }))) said = has
    } catch (error) {
      // Whatever it is (no way there, a full disk): the hub goes on with what it has, and it is tried again.
      log.failed('identity', error, { hub })
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
