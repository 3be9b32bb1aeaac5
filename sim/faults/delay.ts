import type { Fault } from '../step.ts'

/** It takes long: from a pause that nobody notices to one past every timeout. */
export const delay: Fault = {
  name: 'delay',
  strikes: (step) => step.kind !== 'write',
  chance: 0.05,
  act(strike, float) {
    strike.delay_ms += 10 * 4_000 ** float()
  },
}
