import type { Fault } from '../step.ts'

/** A message is overtaken by those behind it. */
export const reorder: Fault = {
  name: 'reorder',
  strikes: (step) => step.kind === 'message',
  chance: 0.05,
  act(strike, float) {
    strike.delay_ms += 100 + 900 * float()
  },
}
