import type { Fault } from '../step.ts'

/** It happened, or still will, and whoever asked for it is not told. */
export const lostAnswer: Fault = {
  name: 'lost answer',
  strikes: (step) => step.kind === 'call' && step.durable === true,
  chance: 0.02,
  act(strike, float) {
    strike.unanswered = true
    if (float() < 0.4) strike.late_ms = 10 * 1_000 ** float()
  },
}
