import type { Fault } from '../step.ts'

/** A message arrives more than once, as after a retransmission. */
export const duplicate: Fault = {
  name: 'duplicate',
  strikes: (step) => step.kind === 'message',
  chance: 0.05,
  act(strike, float) {
    strike.copies += float() < 0.8 ? 1 : 2
  },
}
