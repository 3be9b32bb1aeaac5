/// <reference lib="esnext.disposable" preserve="true" />
/** The client of a relay's app API, for Node and browsers: `@hearthlake/hearth/client` (docs/client.md). Needs no package. */
import type { CommandReport } from '../contract/command-report.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import { type Command, openCommands, type SendOptions, type SettledReport } from './commands.ts'
import { type ConnectionState, closedProblem, keepConnection } from './connection.ts'
import { type HearthEvent, openEvents, type Subscription } from './events.ts'
import { httpOf } from './http.ts'
import { OPEN_MAX_MS } from './limits.ts'
import { chance, type FetchLike, onWakeUp, platformClock, randomKey, type WebSocketConstructor } from './platform.ts'

export type { AttributeValue, CommandReport, Outcome, Stage } from '../contract/command-report.ts'
export { OUTCOME_MEANING } from '../contract/command-report.ts'
export { isProblem, Problem, type ProblemKind, type ProblemOutcome } from '../contract/problem.ts'
export type { Command, SendOptions, SettledReport } from './commands.ts'
export type { ConnectionState } from './connection.ts'
export type { HearthEvent, Subscription } from './events.ts'
export type { FetchLike, WebSocketConstructor, WebSocketLike } from './platform.ts'

export type ClientOptions = {
  /** The relay's app API, as `https://relay.example.org`. On a page of Hearth's own server: its `location.origin`. */
  readonly url: string
  /**
   * The app's token, or what gets one: it is called at each attempt to connect, and so may renew it. Absent only on a page
   * whose server knows the user by a cookie.
   */
  readonly token?: string | ((signal: AbortSignal) => string | Promise<string>)
  /** For platforms without one, as Node 20: `WebSocket` of the package `ws`. Without any, commands go over HTTP. */
  readonly WebSocket?: WebSocketConstructor
  readonly fetch?: FetchLike
  /** Closes the client. */
  readonly signal?: AbortSignal
}

export type HearthClient = Disposable & {
  /**
   * Sends a command and resolves when its outcome is known, whatever it is: done, rejected, offline, expired, late,
   * interrupted. Over a lost connection it is sent again, as the same command: it is carried out at most once.
   * Raises `Problem`: `invalid`, `unauthorized`, `missing` (no such hub), `limit`, `conflict` (the key was another
   * command's), `unavailable`, `closed` (aborted). Its `outcome` says whether it may have happened: `did-not-happen` or
   * `unknown`.
   */
  send(command: Command, options?: SendOptions): Promise<SettledReport>
  /** Calls back for events of one hub, or of all that the token may see. Needs a WebSocket and the scope `observe`. */
  subscribe(of: { readonly hub?: string }, listener: (event: HearthEvent) => void): Subscription
  /** The same as an async loop. Raises `limit` when the loop falls behind. */
  events(of?: { readonly hub?: string; readonly signal?: AbortSignal }): AsyncGenerator<HearthEvent, void>
  /** How the connection stands; `onConnection` calls back at each change. */
  readonly connection: ConnectionState
  onConnection(listener: (state: ConnectionState) => void): Subscription
  /** Hubs that are connected. Raises `Problem`. */
  hubs(): Promise<
    readonly { readonly hub: string; readonly relay: string; readonly epoch: string; readonly since_ms: number }[]
  >
  /** A command of the last 24 hours by its id, as it stands. Raises `Problem`, `missing` among them. */
  find(command: string): Promise<CommandReport & { readonly app: string }>
  /** Looks at once whether the connection still stands; pages do so by themselves when they come to the front. */
  check(): void
  /** Ends the connection and all loops; commands without an answer raise `closed`. */
  close(): void
}

/** A client that connects at once, and again whenever the connection is lost, until it is closed. */
export function connect(options: ClientOptions): HearthClient {
  const url = baseOf(options.url)
  const closed = new AbortController()
  const clock = platformClock
  const platform = globalThis as { WebSocket?: WebSocketConstructor; fetch?: FetchLike }
  const watchers = new Set<(state: ConnectionState) => void>()
  let was_open = false
  let open_until_ms: number | undefined

  const token = async (): Promise<string | undefined> => {
    if (typeof options.token !== 'function') return options.token
    const stopped = new AbortController()
    const get = options.token
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) =>
        reject(new Problem('unavailable', `no token could be had: ${messageOf(error)}`, { cause: error }))
      const cancel = clock.timer(OPEN_MAX_MS, () => {
        stopped.abort()
        fail(`none within ${OPEN_MAX_MS} ms`)
      })
      asked(get, stopped.signal).then(resolve, fail).finally(cancel)
    })
  }
  const http = httpOf({
    fetch: options.fetch ?? ((address, init) => (platform.fetch ?? missingFetch)(address, init)),
    url,
    token,
    clock,
  })
  const events = openEvents(() => connection.session?.send(events.wanted()))
  const commands = openCommands({ connection: () => connection, http, clock, chance, randomKey })
  const connection = keepConnection(
    {
      WebSocket: options.WebSocket ?? platform.WebSocket,
      url,
      token,
      renewable: typeof options.token === 'function' || options.token === undefined,
      http,
      clock,
      chance,
    },
    {
      changed(state) {
        if (state.state === 'open') {
          if (open_until_ms !== undefined) events.gap(clock.monotonic() - open_until_ms)
          open_until_ms = undefined
        } else open_until_ms ??= was_open ? clock.monotonic() : undefined
        was_open = state.state === 'open'
        if (state.state === 'refused') commands.refuse(new Problem('unauthorized', state.reason ?? ''))
        for (const tell of watchers) tell(state)
      },
      opened() {
        connection.session?.send(events.wanted())
        commands.flush()
      },
      heard(message) {
        if ('hub' in message) events.take(message)
        else commands.answer(message)
      },
      deaf: events.end,
    },
  )
  const sleepless = onWakeUp(() => connection.hurry())

  const close = () => {
    if (closed.signal.aborted) return
    sleepless()
    options.signal?.removeEventListener('abort', close)
    connection.close()
    commands.refuse(closedProblem())
    closed.abort()
  }
  options.signal?.addEventListener('abort', close, { once: true })
  if (options.signal?.aborted) close()

  const ask = async <T>(path: string): Promise<T> => {
    if (closed.signal.aborted) throw closedProblem()
    try {
      return await http<T>({ method: 'GET', path, wait_ms: OPEN_MAX_MS, signal: closed.signal })
    } catch (error) {
      throw closed.signal.aborted ? closedProblem() : error
    }
  }
  return {
    send: commands.send,
    subscribe: ({ hub }, listener) => events.subscribe(hub, listener),
    events: ({ hub, signal } = {}) =>
      events.loop(hub, signal ? AbortSignal.any([signal, closed.signal]) : closed.signal),
    get connection() {
      return connection.state
    },
    onConnection(listener) {
      watchers.add(listener)
      const end = () => void watchers.delete(listener)
      return { close: end, [Symbol.dispose]: end }
    },
    hubs: async () => (await ask<{ hubs: Awaited<ReturnType<HearthClient['hubs']>> }>('/v1/hubs')).hubs,
    find: (command) => ask(`/v1/commands/${encodeURIComponent(command)}`),
    check: () => connection.hurry(),
    close,
    [Symbol.dispose]: close,
  }
}

/** Without what would be no part of a path's begin. Raises `invalid`. */
function baseOf(url: string): string {
  try {
    const { protocol, origin, pathname } = new URL(url)
    if (/^https?:$/.test(protocol)) return origin + pathname.replace(/\/+$/, '')
  } catch {
    // Said below, with what is no http address.
  }
  throw new Problem('invalid', `url: expected the relay's address, as https://relay.example.org; found ${url}`)
}

/** Its faults are those of its promise, also those that it throws. */
async function asked(get: (signal: AbortSignal) => string | Promise<string>, signal: AbortSignal): Promise<string> {
  return get(signal)
}

function missingFetch(): never {
  throw new Problem('invalid', 'there is no fetch on this platform: pass one as the option fetch')
}
