import type { Clock } from '../contract/clock.ts'
import type { LiveAnswer, LiveEvent, LiveRequest } from '../contract/live-message.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import { type Http, LACKS_SCOPE } from './http.ts'
import { HURRY_MS, OPEN_MAX_MS, RETRY_FIRST_MS, RETRY_MAX_MS, STABLE_AFTER_MS } from './limits.ts'
import { type Line, openLine } from './line.ts'
import type { WebSocketConstructor } from './platform.ts'

/**
 * `open`: the WebSocket is served. `http`: it cannot be had and the relay answers over HTTP: commands go, events do not
 * come. `waiting`: neither; another attempt follows. `refused`: the token is no good. `closed`: by `close`.
 */
export type ConnectionState = {
  readonly state: 'connecting' | 'open' | 'http' | 'waiting' | 'refused' | 'closed'
  /** Why it is not open, in a sentence. */
  readonly reason?: string
}

/** What is known of a line since its `hello`: the relay's clocks. */
export type Session = {
  send(message: LiveRequest): void
  /** The relay's wall clock and its monotonic clock now, as far as that was heard; behind by the way here. */
  now(): number
  mono(): number
}

export type Connection = {
  readonly state: ConnectionState
  readonly session: Session | undefined
  /** An attempt now, in place of the wait for the next; of an open one, a question whether it is still there. */
  hurry(): void
  /** Leaves the relay that it is connected to, for another behind the same address. */
  leave(reason: string): void
  close(): void
}

/** Keeps a WebSocket open for as long as it can: attempts follow each other with full jitter, HTTP stands in meanwhile. */
export function keepConnection(
  options: {
    readonly WebSocket: WebSocketConstructor | undefined
    readonly url: string
    /** Asked at each attempt. */
    readonly token: () => Promise<string | undefined>
    /** Can the token become another? */
    readonly renewable: boolean
    readonly http: Http
    readonly clock: Clock
    readonly chance: () => number
  },
  on: {
    readonly changed: (state: ConnectionState) => void
    /** Commands can go: by the session, where there is one. */
    readonly opened: () => void
    readonly heard: (message: LiveEvent | LiveAnswer) => void
    /** This token hears no events, and no other will take its place. */
    readonly deaf: (problem: Problem) => void
  },
): Connection {
  const { clock } = options
  let state: ConnectionState = { state: 'connecting' }
  let line: Line | undefined
  let session: Session | undefined
  let failures = 0
  let attempts = 0
  let attempted_ms = Number.NEGATIVE_INFINITY
  let cancelRetry: (() => void) | undefined
  let retry_ms = 0

  const set = (next: ConnectionState) => {
    if (state.state === 'closed' || (state.state === next.state && state.reason === next.reason)) return
    state = next
    on.changed(state)
  }

  const attempt = async () => {
    const mine = ++attempts
    const current = () => mine === attempts && state.state !== 'closed'
    cancelRetry?.()
    cancelRetry = undefined
    attempted_ms = clock.monotonic()
    if (state.state !== 'http') set({ state: 'connecting' })
    let token: string | undefined
    try {
      token = await options.token()
    } catch (error) {
      if (current()) fail(messageOf(error))
      return
    }
    if (!current()) return
    if (options.WebSocket) open(options.WebSocket, token, current)
    else {
      on.deaf(
        new Problem('invalid', 'events need a WebSocket, and there is none here: pass one as the option WebSocket'),
      )
      await instead('there is no WebSocket here', current)
    }
  }

  const open = (WebSocket: WebSocketConstructor, token: string | undefined, current: () => boolean) => {
    let opened_ms: number | undefined
    const own = openLine(
      { WebSocket, url: `${options.url.replace(/^http/, 'ws')}/v1/live`, token, clock },
      {
        opened({ now, mono }) {
          const since_ms = clock.monotonic()
          opened_ms = since_ms
          session = {
            send: own.send,
            now: () => now + clock.monotonic() - since_ms,
            mono: () => mono + clock.monotonic() - since_ms,
          }
          set({ state: 'open' })
          on.opened()
        },
        heard: on.heard,
        ended(reason) {
          if (!current()) return
          line = undefined
          session = undefined
          if (opened_ms === undefined) {
            void instead(reason, current)
            return
          }
          if (clock.monotonic() - opened_ms >= STABLE_AFTER_MS) failures = 0
          fail(reason)
        },
      },
    )
    line = own
  }

  /** No WebSocket: is it the token, the network, or only the WebSocket? */
  const instead = async (reason: string, current: () => boolean) => {
    const problem = await options.http({ method: 'GET', path: '/v1/live', wait_ms: OPEN_MAX_MS }).then(
      () => undefined,
      (error: unknown) => (isProblem(error) ? error : new Problem('internal', messageOf(error))),
    )
    if (!current()) return
    const lacks_scope = problem?.cause === LACKS_SCOPE
    if (problem?.kind === 'unauthorized' && !options.renewable) on.deaf(problem)
    if (problem?.kind === 'unauthorized' && !lacks_scope) refuse(problem.message)
    else if (problem?.kind === 'unavailable' || problem?.kind === 'closed') fail(problem.message)
    else {
      set({ state: 'http', reason: lacks_scope ? problem.message : reason })
      on.opened()
      if (options.WebSocket && (options.renewable || !lacks_scope)) retryLater()
    }
  }

  const refuse = (reason: string) => {
    set({ state: 'refused', reason })
    if (options.renewable) retryLater()
  }
  const fail = (reason: string) => {
    set({ state: 'waiting', reason })
    retryLater()
  }
  const retryLater = () => {
    if (state.state === 'closed') return
    const ceiling_ms = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failures++, 30))
    attemptAt(clock.monotonic() + options.chance() * ceiling_ms)
  }
  const attemptAt = (time_ms: number) => {
    retry_ms = time_ms
    cancelRetry?.()
    cancelRetry = clock.timer(Math.max(0, time_ms - clock.monotonic()), () => void attempt())
  }

  // What is told of it may need what is made of it.
  attemptAt(clock.monotonic())
  return {
    get state() {
      return state
    },
    get session() {
      return session
    },
    hurry() {
      if (session) line?.check()
      else if (cancelRetry) attemptAt(Math.min(retry_ms, attempted_ms + HURRY_MS))
    },
    leave(reason) {
      if (!line || !session) return
      line.close()
      line = undefined
      session = undefined
      attempts++
      fail(reason)
    },
    close() {
      set({ state: 'closed' })
      attempts++
      cancelRetry?.()
      line?.close()
      line = undefined
      session = undefined
    },
  }
}

/** What a call on a closed client raises. */
export function closedProblem(): Problem {
  return new Problem('closed', 'this client is closed')
}
