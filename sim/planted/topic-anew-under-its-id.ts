import type { Plant } from '../plant.ts'

/** A log that is made anew under an old name is taken for the old one: its positions mean what those meant. */
export const topicAnewUnderItsId: Plant = {
  name: 'topic anew under its id',
  breaks: 'nothing acknowledged is missing',
  log: (log) => ({ ...log, id: 'simulated-log-1' }),
}
