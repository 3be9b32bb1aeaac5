import type { Fault, StepName } from '../step.ts'

/** Steps that hubs and relays take too: one that stands still is late with what it does, and says so. */
const OF_OTHERS: readonly StepName[] = ['disk.sync', 'device.actuate']

/**
 * A process stands still, and goes on as if nothing had been (SIGSTOP, a suspended machine, a long collection of
 * garbage): for a moment, or past every lease and retention.
 */
export const pause: Fault = {
  name: 'pause',
  strikes: (step, name) => step.kind === 'call' && !OF_OTHERS.includes(name),
  chance: 0.007,
  act(strike, float) {
    strike.pause = float() < 0.5 ? 'before' : 'after'
    strike.pause_ms = 100 * 1_000 ** float()
    strike.suspended = float() < 0.3
  },
}
