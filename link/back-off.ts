import { BACK_OFF_BASE_MS, BACK_OFF_CAP_MS, STABLE_AFTER_MS } from './limits.ts'

const HUB_BACK_OFF: { readonly base_ms: number; readonly cap_ms: number } = {
  base_ms: BACK_OFF_BASE_MS,
  cap_ms: BACK_OFF_CAP_MS,
}

/**
 * Full jitter (M. Brooker, "Exponential backoff and jitter", 2015): uniform between 0 and a ceiling that doubles with
 * each failure up to the cap. `chance` is uniform in [0, 1).
 */
export function backOff_ms(failures: number, chance: number, { base_ms, cap_ms } = HUB_BACK_OFF): number {
  const ceiling_ms = Math.min(cap_ms, base_ms * 2 ** Math.min(Math.max(failures - 1, 0), 30))
  return chance * ceiling_ms
}

/** Failures in a row after a session that held for `session_ms`: only one that held for a minute clears them. */
export function failuresAfter(failures: number, session_ms: number): number {
  return session_ms >= STABLE_AFTER_MS ? 1 : failures + 1
}
