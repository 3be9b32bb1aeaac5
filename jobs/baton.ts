/** Who has it is alone at work, until it waits for others. */
export type Baton = {
  within<T>(work: () => Promise<T>): Promise<T>
  /** For who has it: others may have it meanwhile. */
  without<T>(work: () => Promise<T>): Promise<T>
}

/** It is had in the order in which it was asked for. */
export function openBaton(): Baton {
  const waiting: (() => void)[] = []
  let had = false

  async function take(): Promise<void> {
    if (had) await new Promise<void>((resolve) => waiting.push(resolve))
    had = true
  }

  function give(): void {
    const next = waiting.shift()
    if (next) next()
    else had = false
  }

  return {
    async within(work) {
      await take()
      try {
        return await work()
      } finally {
        give()
      }
    },
    async without(work) {
      give()
      try {
        return await work()
      } finally {
        await take()
      }
    },
  }
}
