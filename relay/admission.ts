import { isProblem } from '../contract/problem.ts'
import { compareEpochs, formatEpoch, type Identity, parseEpoch, type SessionEpoch } from '../contract/source.ts'
import type { ConnectAnswer } from '../link/mqtt-handler.ts'
import { REASON } from '../link/mqtt-reason.ts'
import type { EpochBook } from './ledger.ts'

type Asked = { readonly identity: Identity; readonly epoch: string }

/**
 * May a hub begin this session? Only in an epoch above every one before, which is then the highest. A hub whose counter
 * is behind (its disk was restored) is told how far to jump.
 */
export function admit({ identity, epoch }: Asked, epochs: EpochBook): ConnectAnswer {
  const code = REASON.notAuthorised
  if (identity.role !== 'hub')
    return { accept: false, code, reason: `${identity.source} is a ${identity.role}; only hubs connect here` }
  let asked: SessionEpoch
  try {
    asked = parseEpoch(epoch)
  } catch (error) {
    if (!isProblem(error)) throw error
    return { accept: false, code: REASON.clientIdNotValid, reason: `user name: ${error.message}` }
  }
  if (asked.generation !== identity.generation) {
    return {
      accept: false,
      code,
      reason: `epoch ${epoch} is of generation ${asked.generation}, the certificate of ${identity.generation}`,
    }
  }
  const known = epochs.highest(identity.source)
  if (known && compareEpochs(asked, known) <= 0) return behind(asked, known)
  epochs.raise(identity.source, asked)
  return { accept: true }
}

/** The refusal of an epoch that is not above the highest known; it tells how far to jump. */
export function behind(asked: SessionEpoch, known: SessionEpoch): ConnectAnswer & { readonly accept: false } {
  const reason = `epoch ${formatEpoch(asked)} is not above the last one, ${formatEpoch(known)}`
  const refusal = { accept: false, code: REASON.notAuthorised, reason } as const
  // A counter of another generation tells this one nothing.
  return known.generation === asked.generation ? { ...refusal, floor: known.counter } : refusal
}
