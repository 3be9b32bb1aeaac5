import type { WebSocket } from 'ws'
import type { Clock } from '../contract/clock.ts'
import type { CommandReport } from '../contract/command.ts'
import type { LiveRequest } from '../contract/live-message.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import { maySee, type Principal } from '../registry/registry.ts'
import type { Issue } from './app-api.ts'
import type { Issued } from './cluster.ts'
import { ownShare_ms } from './command.ts'
import type { CommandCore } from './command-core.ts'
import { LIVE_BUFFER_MAX_BYTES, LIVE_CLIENTS_MAX, LIVE_CLIENTS_PER_APP_MAX, LIVE_OPEN_MAX } from './limits.ts'
import type { LiveAnswer, LiveEvent, LiveSource } from './live-event.ts'
import { checkTime, isLiveCommand, liveRequest } from './live-request.ts'

const TOKEN_ENDED = 'the token is no longer good'

type Answered = (report: CommandReport, own_ms: number) => void

export type LiveSockets = {
  /** Events of the principal's hubs out, commands in, until the socket closes. A client that does not read is closed. */
  serve(socket: WebSocket, principal: Principal, stillGood: () => boolean): void
  /** Closes the sockets whose tokens are no longer good. */
  recheck(): void
  /** Asks each for a sign of life, and cuts those that gave none since the last time: their places are others'. */
  probe(): void
}

/** The WebSockets of one app API. */
export function liveSockets(parts: {
  readonly core: CommandCore
  readonly view: LiveSource
  readonly issue: Issue
  readonly clock: Clock
  readonly answered?: Answered | undefined
  readonly fault: (error: unknown) => void
}): LiveSockets {
  const clients = new Map<WebSocket, { readonly app: string; readonly stillGood: () => boolean }>()
  const countOf = (app: string) => [...clients.values()].filter((client) => client.app === app).length
  const unheard = new Set<WebSocket>()
  return {
    serve(socket, principal, stillGood) {
      if (clients.size >= LIVE_CLIENTS_MAX) {
        socket.close(1013, 'too many apps are listening; try again later')
        return
      }
      if (countOf(principal.app) >= LIVE_CLIENTS_PER_APP_MAX) {
        socket.close(1013, 'too many connections of this app; close some, or try again later')
        return
      }
      // A token is trusted for a moment after it was revoked; a socket would outlive that moment.
      if (!stillGood()) {
        socket.close(1008, TOKEN_ENDED)
        return
      }
      clients.set(socket, { app: principal.app, stillGood })
      const heard = () => unheard.delete(socket)
      socket.on('pong', heard)
      socket.on('message', heard)
      socket.on('close', () => {
        clients.delete(socket)
        heard()
      })
      serve(socket, { principal, ...parts })
    },
    recheck() {
      for (const [socket, { stillGood }] of clients) if (!stillGood()) socket.close(1008, TOKEN_ENDED)
    },
    probe() {
      for (const socket of clients.keys()) {
        if (unheard.has(socket)) socket.terminate()
        else {
          unheard.add(socket)
          socket.ping()
        }
      }
    },
  }
}

function serve(
  socket: WebSocket,
  parts: {
    principal: Principal
    core: CommandCore
    view: LiveSource
    issue: Issue
    clock: Clock
    answered?: Answered | undefined
    fault: (error: unknown) => void
  },
): void {
  const { principal, core, view, issue, clock } = parts
  let open = 0
  /** What ends the wait for commands at other relays. */
  const elsewhere = new Set<() => void>()
  const send = (value: LiveEvent | LiveAnswer) => {
    if (socket.bufferedAmount > LIVE_BUFFER_MAX_BYTES) socket.close(1013, 'too slow; connect again')
    else socket.send(JSON.stringify(value))
  }
  const refuse = (ref: string | undefined, { kind, outcome, message }: Problem) =>
    send({ type: 'problem', ref, kind, outcome, message })
  const failed = (error: unknown) => {
    parts.fault(error)
    return new Problem('internal', 'the relay failed to answer; it was logged', { outcome: 'unknown' })
  }
  async function answer(issued: Issued, ref: string | undefined, begun_ms: number): Promise<void> {
    const leave = 'command' in issued ? undefined : issued.leave
    if (leave) elsewhere.add(leave)
    try {
      const report = await ('command' in issued ? core.settled(issued.command) : issued.report)
      if (socket.readyState === socket.OPEN) send({ type: 'answer', ref, report })
      const own_ms = ownShare_ms(report, clock.monotonic() - begun_ms)
      if (own_ms !== undefined) parts.answered?.(report, own_ms)
    } catch (error) {
      const problem = isProblem(error) ? error : failed(error)
      if (socket.readyState === socket.OPEN) refuse(ref, problem)
    } finally {
      open--
      if (leave) elsewhere.delete(leave)
    }
  }
  /** Of what the token may see. */
  const listen = (hubs: readonly string[] | undefined) => {
    const mine = principal.hubs
    const wanted = hubs === undefined ? mine : hubs.filter((hub) => maySee(principal, hub))
    return view.observe(send, wanted === undefined ? 'all' : new Set(wanted))
  }
  let stop = listen(undefined)
  send({ type: 'hello', now: clock.now(), mono: clock.monotonic() })
  socket.on('close', () => {
    stop()
    for (const leave of elsewhere) leave()
  })
  socket.on('error', () => socket.terminate())
  socket.on('message', (data: Buffer) => {
    // One that is being closed still hands on what comes, and its client need not heed the close.
    if (socket.readyState !== socket.OPEN) return
    const begun_ms = clock.monotonic()
    let ref: string | undefined
    try {
      const said = understood(data)
      if (said.type === 'ping') {
        send({ type: 'pong' })
        return
      }
      if (said.type === 'listen') {
        stop()
        stop = listen(said.hubs)
        return
      }
      ref = said.ref
      if (!principal.scopes.includes('commands'))
        throw new Problem('unauthorized', `the token of ${principal.app} lacks the scope commands`)
      if (open >= LIVE_OPEN_MAX)
        throw new Problem('limit', `${LIVE_OPEN_MAX} commands of this socket have no answer yet`)
      checkTime(said.until, clock)
      const issued = issue(principal, { hub: said.hub, body: said.command, key: said.key, day: said.day }, 'settled')
      open++
      void answer(issued, said.ref, begun_ms)
    } catch (error) {
      refuse(ref, isProblem(error) ? error : failed(error))
    }
  })
}

/** Raises `invalid`. */
function understood(data: Buffer): LiveRequest {
  try {
    const said: unknown = JSON.parse(data.toString('utf8'))
    return isLiveCommand(said) ? said : liveRequest.parse(said)
  } catch (error) {
    throw new Problem('invalid', `not understood: ${messageOf(error)}`)
  }
}
