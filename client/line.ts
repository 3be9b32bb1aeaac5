import type { Clock } from '../contract/clock.ts'
import {
  LIVE_PROTOCOL,
  type LiveAnswer,
  type LiveEvent,
  type LiveRequest,
  TOKEN_PROTOCOL,
} from '../contract/live-message.ts'
import { messageOf } from '../contract/problem.ts'
import { OPEN_MAX_MS, PONG_MAX_MS, QUIET_AFTER_COMMAND_MS, QUIET_MS } from './limits.ts'
import type { WebSocketConstructor, WebSocketLike } from './platform.ts'

/** One WebSocket from its opening to its end. */
export type Line = {
  send(message: LiveRequest): void
  /** Asks whether the other side is still there; without a sign of life the line ends. */
  check(): void
  /** Ends it without calling back. */
  close(): void
}

export type LineEvents = {
  /** It is served; `mono` is the relay's monotonic clock. */
  readonly opened: (hello: { readonly now: number; readonly mono: number }) => void
  readonly heard: (message: LiveEvent | LiveAnswer) => void
  /** Once, unless it was closed here. */
  readonly ended: (reason: string) => void
}

/** Opens a WebSocket. One that is not served in time, or falls silent, ends. */
export function openLine(
  options: {
    readonly WebSocket: WebSocketConstructor
    readonly url: string
    readonly token: string | undefined
    readonly clock: Clock
  },
  on: LineEvents,
): Line {
  const { clock, token } = options
  let socket: WebSocketLike | undefined
  let over = false
  let heard_ms = clock.monotonic()
  let cancelPatience = clock.timer(OPEN_MAX_MS, () => end(`not served within ${OPEN_MAX_MS} ms`))
  let cancelLook: (() => void) | undefined
  let look_ms = Number.POSITIVE_INFINITY
  let commanded_ms = Number.NEGATIVE_INFINITY
  let asking = false

  const shut = () => {
    over = true
    cancelPatience()
    cancelLook?.()
    try {
      socket?.close()
    } catch {
      // One that was never open may refuse to be closed; it is not used any more either way.
    }
  }
  const end = (reason: string) => {
    if (over) return
    shut()
    on.ended(reason)
  }
  const ask = () => {
    if (over || asking) return
    asking = true
    socket?.send('{"type":"ping"}')
    cancelPatience = clock.timer(PONG_MAX_MS, () => end(`no sign of life for ${PONG_MAX_MS} ms`))
  }
  /** Looks at `time_ms` whether anything was heard since `from_ms`; one that comes sooner stands. */
  const look = (from_ms: number, time_ms: number) => {
    if (time_ms >= look_ms) return
    cancelLook?.()
    look_ms = time_ms
    cancelLook = clock.timer(time_ms - clock.monotonic(), () => {
      look_ms = Number.POSITIVE_INFINITY
      if (heard_ms <= from_ms) ask()
      // Of the commands since then, the last one was not looked after yet.
      if (commanded_ms > from_ms && commanded_ms >= heard_ms) look(commanded_ms, commanded_ms + QUIET_AFTER_COMMAND_MS)
      else look(clock.monotonic(), clock.monotonic() + QUIET_MS)
    })
  }
  const take = (data: unknown) => {
    if (over) return
    heard_ms = clock.monotonic()
    const message = parsed(data)
    if (!message) {
      end('the other side does not speak this protocol')
      return
    }
    if (message.type === 'hello') {
      cancelPatience()
      look(heard_ms, heard_ms + QUIET_MS)
      on.opened(message)
      return
    }
    if (asking) {
      asking = false
      cancelPatience()
    }
    if (message.type !== 'pong') on.heard(message)
  }

  try {
    socket = new options.WebSocket(options.url, [
      LIVE_PROTOCOL,
      ...(token === undefined ? [] : [TOKEN_PROTOCOL + token]),
    ])
    socket.onmessage = (event: { readonly data: unknown }) => take(event.data)
    // The reason is in no error of a browser; `ended` comes of the close that follows each.
    socket.onerror = () => undefined
    socket.onclose = (event: { readonly code: number; readonly reason: string }) =>
      end(
        event.reason ||
          (event.code === 1006 ? 'the connection was cut, or none was made' : `closed with ${event.code}`),
      )
  } catch (error) {
    // The caller has no line yet to be told of.
    const cancel = clock.timer(0, () => end(messageOf(error)))
    cancelLook = cancel
  }
  return {
    send(message) {
      if (over) return
      socket?.send(JSON.stringify(message))
      if (message.type !== 'command') return
      commanded_ms = clock.monotonic()
      look(commanded_ms, commanded_ms + QUIET_AFTER_COMMAND_MS)
    },
    check: ask,
    close: shut,
  }
}

function parsed(data: unknown): LiveEvent | LiveAnswer | undefined {
  if (typeof data !== 'string') return undefined
  try {
    const message: unknown = JSON.parse(data)
    // The relay is trusted as far as its certificate is; what is checked is that it is one.
    return typeof message === 'object' && message !== null && 'type' in message
      ? (message as LiveEvent | LiveAnswer)
      : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
