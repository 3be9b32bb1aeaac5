/**
 * `work`, one at a time and at most one waiting: whoever calls while one runs needs the next, and shares it. `running` is
 * the one at work.
 */
export function sharedRun(work: () => Promise<void>): {
  run(): Promise<void>
  readonly running: Promise<void> | undefined
} {
  let running: Promise<void> | undefined
  let waiting: Promise<void> | undefined
  function run(): Promise<void> {
    if (!running) {
      running = work().finally(() => {
        running = undefined
      })
      return running
    }
    waiting ??= running
      .catch(() => undefined)
      .then(() => {
        waiting = undefined
        return run()
      })
    return waiting
  }
  return {
    run,
    get running() {
      return running
    },
  }
}
