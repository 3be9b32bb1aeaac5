import { leaveFault } from '../../contract/problem.ts'
import type { Plant } from '../plant.ts'

const LATER_MS = 500

/** The answer goes out before the outcome is on record: a relay that dies in between calls the command something else. */
export const toldBeforeItIsWritten: Plant = {
  name: 'told before it is written',
  breaks: 'each command has one outcome, and a true one',
  among_relays: true,
  ledger: (ledger, { clock }) => ({
    ...ledger,
    write(events, command) {
      if (command?.outcome === undefined) ledger.write(events, command)
      else
        clock.timer(LATER_MS, () => {
          try {
            ledger.write(events, command)
          } catch (error) {
            leaveFault(error)
          }
        })
    },
  }),
}
