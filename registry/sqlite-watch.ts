import type { Clock } from '../contract/clock.ts'
import { WATCH_POLL_MS } from './limits.ts'

/**
 * Calls watchers back after changes by any process: SQLite's data_version moves when another connection commits
 * (https://sqlite.org/pragma.html#pragma_data_version), `changed` says that this one did. Polls only while watched.
 */
export function watchDatabase(clock: Clock, dataVersion: () => number) {
  const watchers = new Set<() => void>()
  let own = 0
  let seen = ''
  let cancel: (() => void) | undefined
  const state = () => `${dataVersion()} ${own}`
  const poll = () => {
    cancel = clock.timer(WATCH_POLL_MS, poll)
    const found = state()
    if (found === seen) return
    seen = found
    for (const watcher of watchers) watcher()
  }
  const stop = () => {
    cancel?.()
    cancel = undefined
  }
  return {
    changed: () => {
      own += 1
    },
    watch(callback: () => void) {
      const watcher = () => callback()
      if (watchers.size === 0) {
        seen = state()
        cancel = clock.timer(WATCH_POLL_MS, poll)
      }
      watchers.add(watcher)
      return () => {
        watchers.delete(watcher)
        if (watchers.size === 0) stop()
      }
    },
    close() {
      watchers.clear()
      stop()
    },
  }
}
