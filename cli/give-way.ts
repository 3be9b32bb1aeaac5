import { readdirSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

/**
 * Lets everything that a person waits for go first: this process, all its threads and all that they start get this nice value
 * (0–19) at least. A thread of Linux has its own (setpriority(2)), and those of V8 run before any line of ours does.
 */
export function giveWay(niceness: number): void {
  const threads = process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : [0]
  for (const thread of threads) {
    try {
      if (getPriority(thread) < niceness) setPriority(thread, niceness)
    } catch (error) {
      // It ended meanwhile.
      if (!(error instanceof Error && error.message.includes('ESRCH'))) throw error
    }
  }
}
