import type { Fault } from '../step.ts'

/** The machine's wall clock is set while it runs: by seconds, or by years. */
export const clockJump: Fault = {
  name: 'clock jump',
  strikes: () => true,
  chance: 0.002,
  act(strike, float) {
    strike.jump_ms = (float() < 0.5 ? -1 : 1) * 1_000 * 1e8 ** float()
  },
}
