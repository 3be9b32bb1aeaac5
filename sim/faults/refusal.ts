import type { Fault } from '../step.ts'

/** It does not happen, and whoever asked for it is told so: a service that is away, a disk that fails or is full. */
export const refusal: Fault = {
  name: 'refusal',
  strikes: (step) => step.kind !== 'message',
  chance: 0.02,
  act(strike, float) {
    strike.refused = true
    strike.full = float() < 0.5
  },
}
