import type { Random } from '../contract/clock.ts'
import { chance, logNormal } from './chance.ts'
import { RADIO_ATTEMPTS_MAX } from './limits.ts'

/** How a device is reached: the time to its confirmation and the share of messages that get none. */
export type Radio = { readonly median_ms: number; readonly spread: number; readonly loss: number }

/** A radio waits this long for a confirmation before it sends again. */
const RETRY_MS = 250

/**
 * How one message to a device goes: confirmed after `ms`, or given up after `ms`. `heard` says whether the device got
 * it: when only the confirmation was lost the lamp is on and nobody knows.
 */
export function transmit(
  random: Random,
  radio: Radio,
): { readonly ms: number; readonly confirmed: boolean; readonly heard: boolean } {
  let heard = false
  for (let attempt = 0; attempt < RADIO_ATTEMPTS_MAX; attempt++) {
    const ms = attempt * RETRY_MS + logNormal(random, radio.median_ms, radio.spread)
    if (!chance(random, radio.loss)) return { ms, confirmed: true, heard: true }
    heard ||= chance(random, 0.5)
  }
  return { ms: RADIO_ATTEMPTS_MAX * RETRY_MS, confirmed: false, heard }
}
