import { z } from 'zod'
import { refusal } from '../client/http.ts'
import { type Clock, type Random, uuid } from '../contract/clock.ts'
import { DEADLINE_DEFAULT_MS } from '../contract/limits.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import { maySee, type Registry } from '../registry/registry.ts'
import {
  aroundAnswer,
  commandsAnswer,
  commandsQuery,
  type HubDevicesAnswer,
  type HubsAnswer,
  hubDevicesAnswer,
  hubsAnswer,
  liveMessage,
  sendRequest,
  time_ms,
  traceAnswer,
} from './api.ts'
import { aroundCommand, listCommands, stagesSql, traceCommand } from './commands.ts'
import { joinStates, storedStates } from './device-states.ts'
import { devicesOf } from './devices.ts'
import { disconnectsOf } from './disconnects.ts'
import { tablesOf } from './fleet.ts'
import { lakeParts } from './lake-parts.ts'
import { RELAY_ANSWER_MAX_MS } from './limits.ts'
import type { Live } from './live.ts'
import type { Queries } from './query-protocol.ts'
import { askRelay, connectedHubs, type RelayAddress, relayReport, traceOf } from './relay-client.ts'
import { hangUp, type Router } from './route.ts'
import { shareAnswers } from './shared-answers.ts'

const commandPath = z.object({ id: z.string().regex(/^[0-9a-f]{32}$/, 'a command id is 32 hex digits') })
const issuedHint = z.object({
  issued: time_ms.optional().describe('when it was issued, ms since 1970: reads fewer files'),
})
/** How long what is made from days of events, as the list of devices, is kept. */
const DAYS_KEPT_MS = 60_000
/** How long what a hub's devices said last is kept; what they say meanwhile comes live. */
const STATES_KEPT_MS = 5_000

/** Commands: those of the past, one of them in full, the live feed, and sending one through the relay. */
export function mountCommands(
  route: Router,
  options: {
    readonly queries: Queries
    readonly live: Live
    readonly registry: Registry
    readonly relay: RelayAddress
    readonly clock: Clock
    readonly random: Random
    readonly note: (text: string) => void
  },
): void {
  const { queries, live, registry, relay, clock, random, note } = options
  const shared = shareAnswers(clock)
  const ofDays = lakeParts(clock, DAYS_KEPT_MS, note)
  const ofStates = lakeParts(clock, STATES_KEPT_MS, note)
  const nobody = new AbortController().signal

  route({
    method: 'GET',
    url: '/api/commands',
    summary: 'The newest commands of a window, from the table, and how many ended how.',
    scope: 'observe',
    fleet: true,
    query: commandsQuery,
    answer: commandsAnswer,
    handle: async ({ query }, { request, reply }) => {
      const signal = hangUp(request, reply)
      if (!(await tablesOf(queries, signal)).has('command_stages')) return { commands: [], counts: {}, sql: '' }
      return listCommands(queries, query, signal)
    },
  })
  route({
    method: 'GET',
    url: '/api/commands/:id',
    summary: 'One command with all its stages: from the relay while it is young, from the table later.',
    scope: 'observe',
    params: commandPath,
    query: issuedHint,
    answer: traceAnswer,
    handle: async ({ params, query }, { principal, request, reply }) => {
      const found = await young(params.id)
      const answer = found
        ? { trace: traceOf(found, null), sql: stagesSql(params.id, found.issued) }
        : await traceCommand(queries, params.id, query.issued, hangUp(request, reply))
      if (!maySee(principal, answer.trace.hub)) throw new Problem('missing', `no command ${params.id}`)
      return answer
    },
  })
  route({
    method: 'GET',
    url: '/api/around',
    summary: 'Connection of a hub and readings of a device around a time.',
    scope: 'query',
    fleet: true,
    query: z.object({ hub: z.string().max(64), device: z.string().max(64), at: time_ms }),
    answer: aroundAnswer,
    handle: ({ query }, { request, reply }) =>
      aroundCommand(queries, { hub: query.hub, device: query.device, time_ms: query.at }, hangUp(request, reply)),
  })
  route({
    method: 'GET',
    url: '/api/hubs',
    summary: 'Hubs of the fleet, whether each is connected, and the devices that reported of late.',
    scope: 'observe',
    answer: hubsAnswer,
    handle: async (_input, { principal }): Promise<HubsAnswer> => {
      const [connected, devices, disconnects] = await Promise.all([
        shared('connections', () => connectedHubs(relay, clock)),
        ofDays('the devices of hubs', () => devicesOf(queries, clock.now(), nobody)),
        ofDays('the last disconnects of hubs', () => disconnectsOf(queries, clock.now(), nobody)),
      ])
      const hubs = registry.hubs().filter((hub) => hub.retired_ms === undefined && maySee(principal, hub.hub))
      return {
        relay: connected ? 'up' : 'down',
        stored: devices !== undefined && disconnects !== undefined,
        hubs: hubs.map(({ hub, home, region, model, zone }) => ({
          hub,
          home,
          region,
          model,
          zone,
          connected: connected?.(hub) ?? null,
          disconnected_ms: connected?.(hub) ? null : (disconnects?.get(hub) ?? null),
          devices: devices?.get(hub) ?? [],
        })),
      }
    },
  })
  route({
    method: 'GET',
    url: '/api/hubs/:hub/devices',
    summary: 'The devices of one hub, and what each said last: from the table, and newer from the live feed.',
    scope: 'observe',
    params: z.object({ hub: z.string().max(64) }),
    answer: hubDevicesAnswer,
    handle: async ({ params: { hub } }, { principal }): Promise<HubDevicesAnswer> => {
      const record = maySee(principal, hub) ? registry.hub(hub) : undefined
      if (!record || record.retired_ms !== undefined) throw new Problem('missing', `this fleet has no hub ${hub}`)
      const [stored, connected] = await Promise.all([
        // Commands do not wait for the lake, and neither does the page that sends them.
        ofStates(`the states of ${hub}`, () => storedStates(queries, hub, clock.now(), nobody)),
        connectedHubs(relay, clock),
      ])
      return {
        hub,
        home: record.home,
        connected: connected?.(hub) ?? null,
        devices: joinStates(stored ?? [], live.states(hub)),
        stored: stored !== undefined,
      }
    },
  })
  route({
    method: 'POST',
    url: '/api/commands',
    summary: 'Sends a command through the relay and answers when its outcome is known. Idempotency-Key is passed on.',
    scope: 'commands',
    headers: z.object({
      'idempotency-key': z.string().optional().describe('a retry with the same key within the day is the same command'),
      prefer: z.string().optional().describe('respond-async: answer once it is on its way'),
    }),
    body: sendRequest,
    answer: traceAnswer,
    handle: async ({ body }, { principal, request }) => {
      const { hub, ...command } = body
      if (!maySee(principal, hub)) throw new Problem('unauthorized', `${principal.app} may not command ${hub}`)
      const key = request.headers['idempotency-key']
      const prefer = request.headers.prefer
      const answer = await askRelay(
        relay,
        {
          method: 'POST',
          path: `/v1/hubs/${encodeURIComponent(hub)}/commands`,
          body: command,
          headers: {
            'idempotency-key': typeof key === 'string' ? key : uuid(random),
            ...(prefer === 'respond-async' ? { prefer } : {}),
          },
          wait_max_ms: (body.deadline_ms ?? DEADLINE_DEFAULT_MS) + RELAY_ANSWER_MAX_MS,
        },
        clock,
      )
      const report = relayReport.safeParse(answer.body)
      if (!report.success) throw refusal(answer.status, answer.body)
      return { trace: traceOf(report.data, null), sql: stagesSql(report.data.command, report.data.issued) }
    },
  })
  route({
    method: 'GET',
    url: '/api/live',
    summary: 'Server-sent events: commands, connections and states as they happen. Each data line is one JSON message.',
    scope: 'observe',
    answer: liveMessage,
    streams: 'text/event-stream',
    handle: async (_input, { principal, reply }) => {
      live.listen(principal, reply.raw)
      reply.hijack()
    },
  })

  /** The relay's own report of a command; undefined when it has forgotten it, or does not answer. */
  async function young(command: string) {
    try {
      const answer = await askRelay(relay, { method: 'GET', path: `/v1/commands/${command}` }, clock)
      return answer.status === 200 ? relayReport.safeParse(answer.body).data : undefined
    } catch (error) {
      if (isProblem(error, 'unavailable')) return undefined
      throw error
    }
  }
}
