import type { WebSocket } from 'ws'
import { z } from 'zod'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import type { Principal } from '../registry/registry.ts'
import type { Issue } from './app-api.ts'
import type { CommandCore } from './command-core.ts'
import { LIVE_BUFFER_MAX_BYTES, LIVE_CLIENTS_MAX, LIVE_OPEN_MAX } from './limits.ts'
import type { LiveAnswer, LiveEvent, LiveFeed } from './live-event.ts'

/** What an app may say on the socket: a command, with a word of its own to know the answer by. */
const message = z.object({
  type: z.literal('command'),
  ref: z.string().max(64).optional(),
  hub: z.string(),
  key: z.string().optional(),
  day: z.string().optional(),
  command: z.unknown(),
})

export type LiveSockets = {
  /** Events of the principal's hubs out, commands in, until the socket closes. A client that does not read is closed. */
  serve(socket: WebSocket, principal: Principal, stillGood: () => boolean): void
  /** Closes the sockets whose tokens are no longer good. */
  recheck(): void
}

/** The WebSockets of one app API. */
export function liveSockets(parts: {
  readonly core: CommandCore
  readonly feed: LiveFeed
  readonly issue: Issue
}): LiveSockets {
  const clients = new Map<WebSocket, () => boolean>()
  return {
    serve(socket, principal, stillGood) {
      if (clients.size >= LIVE_CLIENTS_MAX) {
        socket.close(1013, 'too many apps are listening; try again later')
        return
      }
      clients.set(socket, stillGood)
      socket.on('close', () => clients.delete(socket))
      serve(socket, { principal, ...parts })
    },
    recheck() {
      for (const [socket, stillGood] of clients) if (!stillGood()) socket.close(1008, 'the token is no longer good')
    },
  }
}

function serve(
  socket: WebSocket,
  { principal, core, feed, issue }: { principal: Principal; core: CommandCore; feed: LiveFeed; issue: Issue },
): void {
  let open = 0
  const send = (value: LiveEvent | LiveAnswer) => {
    if (socket.bufferedAmount > LIVE_BUFFER_MAX_BYTES) socket.close(1013, 'too slow; connect again')
    else socket.send(JSON.stringify(value))
  }
  const stop = feed.observe((event) => {
    if (principal.hubs === undefined || principal.hubs.includes(event.hub)) send(event)
  })
  socket.on('close', stop)
  socket.on('error', () => socket.terminate())
  socket.on('message', (data: Buffer) => {
    let ref: string | undefined
    try {
      const said = message.parse(JSON.parse(data.toString('utf8')))
      ref = said.ref
      if (!principal.scopes.includes('commands'))
        throw new Problem('unauthorized', `the token of ${principal.app} lacks the scope commands`)
      if (open >= LIVE_OPEN_MAX)
        throw new Problem('limit', `${LIVE_OPEN_MAX} commands of this socket have no answer yet`)
      const { command } = issue(principal, { hub: said.hub, body: said.command, key: said.key, day: said.day })
      open++
      void core.settled(command).then((report) => {
        open--
        if (socket.readyState === socket.OPEN) send({ type: 'answer', ref, report })
      })
    } catch (error) {
      const known = isProblem(error) ? error : new Problem('invalid', `not understood: ${messageOf(error)}`)
      send({ type: 'problem', ref, kind: known.kind, outcome: known.outcome, message: known.message })
    }
  })
}
