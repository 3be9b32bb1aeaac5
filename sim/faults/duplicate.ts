import type { Fault, StepName } from '../step.ts'

/** Between relays there is one stream, which brings everything once. */
const OF_RELAYS: readonly StepName[] = ['net.forward', 'net.told']

/** A message arrives more than once, as after a retransmission. */
export const duplicate: Fault = {
  name: 'duplicate',
  strikes: (step, name) => step.kind === 'message' && !OF_RELAYS.includes(name),
  chance: 0.05,
  act(strike, float) {
    strike.copies += float() < 0.8 ? 1 : 2
  },
}
