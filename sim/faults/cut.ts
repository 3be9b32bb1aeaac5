import type { Fault } from '../step.ts'

/** The connection ends, and with it what was on its way. */
export const cut: Fault = {
  name: 'cut',
  strikes: (step) => step.kind === 'message',
  chance: 0.03,
  act(strike) {
    strike.cut = true
  },
}
