import type { Fault } from '../step.ts'

/** It does not happen, and whoever asked for it is told so: a service that is away, a disk that is full. */
export const refusal: Fault = {
  name: 'refusal',
  strikes: (step) => step.kind === 'call',
  chance: 0.02,
  act(strike) {
    strike.refused = true
  },
}
