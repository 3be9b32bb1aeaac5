import type { Fault } from '../step.ts'

/** The machine loses its power at this step: what was not synced is gone. */
export const powerCut: Fault = {
  name: 'power cut',
  strikes: () => true,
  chance: 0.002,
  act(strike, float) {
    strike.kill = float() < 0.5 ? 'before' : 'after'
    strike.power = true
  },
}
