import type { Plant } from '../plant.ts'

/** The hub looks into its journal only for what it is carrying out now, so that a resend is a new command to it. */
export const executedAgain: Plant = {
  name: 'executed again after a resend',
  breaks: 'a command is executed at most once',
  hubDisk: (disk) => {
    const begun = new Set<string>()
    return {
      ...disk,
      get: (key) => (key.startsWith('journal/command/') && !begun.delete(key) ? undefined : disk.get(key)),
      write(changes) {
        for (const change of changes) {
          if ('put' in change && change.put.startsWith('journal/command/')) begun.add(change.put)
        }
        disk.write(changes)
      },
    }
  },
}
