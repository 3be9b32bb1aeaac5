import type { Clock } from '../../contract/clock.ts'

export type Watch = {
  /** Something changed: conditions are looked at again. */
  look(): void
  /** Resolves with true as soon as `ready`, and with false after `wait_ms`. */
  until(ready: () => boolean, wait_ms: number): Promise<boolean>
}

export function openWatch(clock: Clock): Watch {
  const waiting = new Set<() => void>()
  return {
    look() {
      for (const one of waiting) one()
    },
    until: (ready, wait_ms) =>
      new Promise((resolve) => {
        const cancel = clock.timer(wait_ms, () => done(false))
        const check = () => {
          if (ready()) done(true)
        }
        function done(value: boolean) {
          cancel()
          waiting.delete(check)
          resolve(value)
        }
        waiting.add(check)
        check()
      }),
  }
}
