import type { Plant } from '../plant.ts'

/** The log may forget what was read, and not what was committed. */
export const trimBeforeTheCommit: Plant = {
  name: 'trim before the commit',
  breaks: 'the log follows on the table',
  log: (log, who) => ({
    ...log,
    async read(bucket, from, maxBytes) {
      const records = await log.read(bucket, from, maxBytes)
      const last = records.at(-1)
      if (last && who.startsWith('writer')) await log.trim(bucket, last.position + 1)
      return records
    },
  }),
}
