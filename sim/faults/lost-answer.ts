import type { Fault } from '../step.ts'

/** It happened, and whoever asked for it is not told. */
export const lostAnswer: Fault = {
  name: 'lost answer',
  strikes: (step) => step.kind === 'call' && step.durable === true,
  chance: 0.02,
  act(strike) {
    strike.unanswered = true
  },
}
