import type { Fault } from '../step.ts'

/** The process dies, just before or just after the step took effect; of a message: before or after it left. */
export const kill: Fault = {
  name: 'kill',
  strikes: () => true,
  chance: 0.004,
  act(strike, float) {
    strike.kill = float() < 0.5 ? 'before' : 'after'
  },
}
