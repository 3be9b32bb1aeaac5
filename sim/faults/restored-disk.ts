import type { Fault, StepName } from '../step.ts'

/** Steps that only hubs take. */
const OF_HUBS: readonly StepName[] = ['device.actuate', 'net.result']

/** A hub's disk dies, and is replaced by an old copy: what was written since is gone, though it was synced. */
export const restoredDisk: Fault = {
  name: 'restored disk',
  strikes: (_, name) => OF_HUBS.includes(name),
  chance: 0.01,
  act(strike, float) {
    strike.kill = float() < 0.5 ? 'before' : 'after'
    strike.power = true
    strike.restored = true
  },
}
