import type { ServerResponse } from 'node:http'
import type { Clock } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import { maySee, type Principal } from '../registry/registry.ts'
import type { CommandTrace, LiveMessage } from './api.ts'
import { type LiveStates, liveStates } from './device-states.ts'
import { LISTENER_BACKLOG_MAX_BYTES, LISTENERS_MAX, LIVE_BEAT_MS, LIVE_KEPT_MAX } from './limits.ts'
import { followRelay, type RelayAddress, type RelayEvent, traceOf } from './relay-client.ts'

/** One connection to the relay's live feed, told on to every browser that listens (server-sent events). */
export type Live = {
  /** Takes over the response; raises `limit` when too many listen. */
  listen(principal: Principal, response: ServerResponse): void
  /** Is the relay's feed open? */
  up(): boolean
  listeners(): number
  /** What devices of a hub said last, while this listened. */
  states(hub: string): ReturnType<LiveStates['of']>
  close(): void
}

/** Tells the log: a warning, unless it is good news. */
export type Note = (text: string, level?: 'info') => void

export function openLive(options: { readonly relay: RelayAddress; readonly clock: Clock; readonly note: Note }): Live {
  const { clock, note } = options
  /** Newest commands by id, oldest first: what a browser that has just come is told at once. */
  const kept = new Map<string, CommandTrace>()
  const listeners = new Map<ServerResponse, Principal>()
  const states = liveStates()
  let up: boolean | undefined
  let stopBeat: (() => void) | undefined

  const write = (response: ServerResponse, chunk: string) => {
    if (response.writableLength > LISTENER_BACKLOG_MAX_BYTES) response.destroy()
    else response.write(chunk)
  }
  const tell = (message: LiveMessage) => {
    const hub = message.type === 'relay' ? undefined : message.type === 'command' ? message.trace.hub : message.hub
    const chunk = `data: ${JSON.stringify(message)}\n\n`
    for (const [response, principal] of listeners) {
      if (hub === undefined || maySee(principal, hub)) write(response, chunk)
    }
  }
  const keep = (trace: CommandTrace) => {
    kept.delete(trace.command)
    kept.set(trace.command, trace)
    const oldest = kept.size > LIVE_KEPT_MAX ? kept.keys().next().value : undefined
    if (oldest !== undefined) kept.delete(oldest)
    tell({ type: 'command', trace })
  }
  const take = (event: RelayEvent) => {
    if (event.type === 'issued' || event.type === 'outcome') keep(traceOf(event.report, event.app))
    else if (event.type === 'stage') {
      const before = kept.get(event.command)
      const { stage, by, ms } = event
      if (!before || before.stages.some((other) => other.stage === stage && other.by === by)) return
      kept.set(event.command, { ...before, stages: [...before.stages, { stage, by, ms }] })
    } else if (event.type === 'connection') {
      const { hub, stage, epoch, reason } = event
      tell({ type: 'connection', hub, connected: stage === 'connected', epoch, reason: reason ?? null })
    } else {
      states.take(event)
      tell({ type: 'state', hub: event.hub, device: event.device, set: event.set })
    }
  }
  const feed = followRelay(options.relay, {
    event: take,
    up: (now, reason) => {
      if (up === now) return
      if (now) note('the live feed of the relay is open', 'info')
      else if (up) note(`the live feed of the relay is gone: ${reason}`)
      // At a start of everything the relay may be the later one.
      else note(`the live feed of the relay is not open yet: ${reason}`, 'info')
      up = now
      tell({ type: 'relay', up: now })
    },
  })
  const beat = () => {
    for (const response of listeners.keys()) write(response, ': still here\n\n')
    stopBeat = clock.timer(LIVE_BEAT_MS, beat)
  }
  beat()

  return {
    listen: (principal, response) => {
      if (listeners.size >= LISTENERS_MAX) {
        throw new Problem('limit', `${LISTENERS_MAX} browsers are listening already; close one`)
      }
      response.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      })
      const start: LiveMessage[] = [{ type: 'relay', up: up === true }]
      for (const trace of kept.values()) if (maySee(principal, trace.hub)) start.push({ type: 'command', trace })
      response.write(start.map((message) => `data: ${JSON.stringify(message)}\n\n`).join(''))
      listeners.set(response, principal)
      response.once('close', () => listeners.delete(response))
      response.once('error', () => listeners.delete(response))
    },
    up: () => up === true,
    listeners: () => listeners.size,
    states: states.of,
    close: () => {
      stopBeat?.()
      feed.close()
      for (const response of listeners.keys()) response.end()
    },
  }
}
