import type { Plant } from '../plant.ts'

/** A relay takes the time that a forwarded command has left as it says, however long it was on its way from the other. */
export const hopNotCounted: Plant = {
  name: 'hop not counted',
  breaks: 'a command is executed in its time, and in order',
  among_relays: true,
  way: () => 0,
}
