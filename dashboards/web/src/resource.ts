import { effect, type ReadonlySignal, signal, untracked } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { Failure } from './api-client.ts'
import { browserClock } from './browser.ts'

/** Something that is asked for again and again. An answer stays while a newer one fails: `failure` says that it is old. */
export type Resource<T> = {
  readonly answer: T | undefined
  /** When the answer came, ms since 1970. */
  readonly answered_ms: number | undefined
  readonly failure: Failure | undefined
  readonly loading: boolean
}

const RETRY_MS = 5_000
/** When to ask again for an answer that came without what the tables know: they were late, and have it soon. */
export const LATE_EVERY_MS = 2_000

/**
 * Asks `load` whenever a signal that `key` reads changes, again every `every_ms` (which may depend on the answer), and
 * after a failure each RETRY_MS.
 * An answer for another key stays on show, as old, until the new one is here: nothing jumps.
 */
export function useResource<T>(
  key: () => string,
  load: (key: string, signal: AbortSignal) => Promise<T>,
  every_ms?: number | ((answer: T) => number),
): { readonly state: ReadonlySignal<Resource<T>>; retry(): void } {
  const resource = useMemo(() => {
    const state = signal<Resource<T>>({ answer: undefined, answered_ms: undefined, failure: undefined, loading: true })
    let stop = () => {}
    let current = ''
    const run = () => {
      stop()
      const controller = new AbortController()
      let cancelTimer = () => {}
      stop = () => {
        controller.abort()
        cancelTimer()
      }
      state.value = { ...state.peek(), loading: true }
      load(current, controller.signal).then(
        (answer) => {
          if (controller.signal.aborted) return
          state.value = { answer, answered_ms: browserClock.now(), failure: undefined, loading: false }
          const wait_ms = typeof every_ms === 'function' ? every_ms(answer) : every_ms
          if (wait_ms !== undefined) cancelTimer = browserClock.timer(wait_ms, run)
        },
        (error: unknown) => {
          if (controller.signal.aborted) return
          const failure = error instanceof Failure ? error : new Failure('internal', String(error))
          state.value = { ...state.peek(), failure, loading: false }
          cancelTimer = browserClock.timer(RETRY_MS, run)
        },
      )
    }
    return {
      state,
      retry: () => run(),
      start: () => {
        const end = effect(() => {
          current = key()
          untracked(run)
        })
        return () => {
          end()
          stop()
        }
      },
    }
  }, [])
  useEffect(() => resource.start(), [resource])
  return resource
}
