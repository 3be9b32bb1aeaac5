/** The relay's side of the hubs' control connections: who may connect, in which epoch, and what is told of it. */
import { bucketOf, type Layout } from '../contract/bucket.ts'
import { type Clock, every } from '../contract/clock.ts'
import { type HubBound, relayBound, topics } from '../contract/command.ts'
import { plainResult } from '../contract/command-check.ts'
import { isProblem, messageOf } from '../contract/problem.ts'
import type { Authorise } from '../link/identity.ts'
import { listenMqtt, type MqttEndpoint, type ServerTls } from '../link/mqtt-endpoint.ts'
import type { MessageAnswer, MqttMessage } from '../link/mqtt-handler.ts'
import { type CloseReason, REASON } from '../link/mqtt-reason.ts'
import type { MqttSession } from '../link/mqtt-session.ts'
import { admit } from './admission.ts'
import { COMMAND_ID, type LedgerEvent } from './command.ts'
import type { CommandCore, HubLink } from './command-core.ts'
import type { Directory } from './directory.ts'
import { hubClaims } from './hub-claims.ts'
import { inTurn } from './in-turn.ts'
import type { EpochBook } from './ledger.ts'
import { ALIVE_INTERVAL_MS, CLOCK_INTERVAL_MS, CLOCK_STEP_MS } from './limits.ts'
import type { LiveFeed } from './live-event.ts'

export type HubListener = {
  readonly endpoint: MqttEndpoint
  /** Who is connected, by hub. */
  hubs(): ReadonlyMap<string, { readonly epoch: string; readonly since_ms: number }>
  /** Stops the clocks; sessions are the endpoint's to drain and close. */
  close(): Promise<void>
}

export type HubListenerOptions = {
  readonly host: string
  readonly port: number
  readonly tls: ServerTls
  readonly fleet: string
  readonly layout: Layout
  readonly clock: Clock
  readonly authorise: Authorise
  readonly core: () => CommandCore
  readonly epochs: EpochBook
  readonly feed: LiveFeed
  /** The hubs of the fleet, connected or not. */
  readonly enrolled: () => readonly { readonly hub: string }[]
  readonly tell: (event: LedgerEvent) => void
  readonly fault: (error: unknown) => void
  readonly refused?: (reason: string, address: string) => void
  /** Which relay holds which hub; absent: this is the only one. */
  readonly directory?: Directory
}

/** What the core sends through: nothing is connected until the listener is there. */
export function hubLink(endpoint: () => MqttEndpoint | undefined): HubLink {
  return {
    send(hub, epoch, message) {
      const session = endpoint()?.session(hub)
      return session?.epoch === epoch ? publish(session, message) : 'gone'
    },
  }
}

/** QoS 0: a command that is not there in time must not come later, and the hub's result is its acknowledgement. */
function publish(session: MqttSession, message: HubBound) {
  return session.publish(topics.command(session.client), Buffer.from(JSON.stringify(message)))
}

/** Listens for hubs. Raises `unavailable` when the port cannot be had. */
export async function listenForHubs(options: HubListenerOptions): Promise<HubListener> {
  const { clock, core, epochs, feed, layout, tell, fault } = options
  const connected = new Map<string, { readonly epoch: string; readonly since_ms: number }>()

  const stamp = (session: MqttSession) => publish(session, { hearth: 1, type: 'clock', stamp: clock.monotonic() })

  function announce(session: MqttSession, stage: 'connected' | 'disconnected', reason?: CloseReason): void {
    const { client: hub, epoch } = session
    const why = reason === undefined ? {} : { reason: reason.kind, planned: reason.planned }
    tell({ m: clock.monotonic(), hub, kind: 'connection', stage, epoch, ...why })
    if (feed.watched) feed.publish({ type: 'connection', hub, stage, epoch, at: clock.now(), ...why })
  }

  function message(session: MqttSession, { topic, payload }: MqttMessage): MessageAnswer {
    if (topic !== topics.result(session.client))
      return { code: REASON.topicNotValid, reason: `expected ${topics.result(session.client)}` }
    let said: unknown
    try {
      said = JSON.parse(payload.toString('utf8'))
    } catch (error) {
      return { code: REASON.payloadNotValid, reason: `not JSON: ${messageOf(error)}` }
    }
    const result = plainResult(said)
    if (result && COMMAND_ID.test(result.command)) {
      try {
        core().result(session.client, result)
      } catch (error) {
        // A command that cannot be read, any more or for now: told again and again, its hub would never keep a session.
        if (!isProblem(error, 'corrupt', 'unavailable')) throw error
        fault(error)
      }
      return undefined
    }
    const parsed = relayBound.safeParse(said)
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      return {
        code: REASON.payloadNotValid,
        reason: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not understood'}`,
      }
    }
    if (parsed.data.type === 'result')
      return { code: REASON.payloadNotValid, reason: 'command: expected the id of a command, 32 hex digits' }
    if (feed.watched) {
      feed.publish({
        type: 'state',
        hub: session.client,
        device: parsed.data.device,
        set: parsed.data.set,
        at: clock.now(),
      })
    }
    return undefined
  }

  const close = (hub: string, epoch: string) => {
    const session = endpoint.session(hub)
    if (session?.epoch !== epoch) return
    const text = 'a newer session of this hub is at another relay'
    session.close({ kind: 'taken-over', planned: false, code: REASON.takenOver, text })
  }
  const claims =
    options.directory &&
    hubClaims({ directory: options.directory, epochs, clock, sessions: () => connected, superseded: close, fault })

  const endpoint = await listenMqtt({
    host: options.host,
    port: options.port,
    tls: options.tls,
    fleet: options.fleet,
    clock,
    authorise: options.authorise,
    publishTopics: ({ source }) => [topics.result(source)],
    subscribeTopics: ({ source }) => [topics.command(source)],
    fault,
    ...(options.refused && { refused: options.refused }),
    handler: {
      connect(request) {
        const answer = admit(request, epochs)
        return claims && answer.accept ? claims.enter(request.identity.source, request.epoch) : answer
      },
      opened(session) {
        connected.set(session.client, { epoch: session.epoch, since_ms: clock.now() })
        announce(session, 'connected')
        claims?.opened(session.client, session.epoch)
      },
      // Only from here on does the hub hear commands.
      subscribed(session) {
        stamp(session)
        core().connected(session.client, session.epoch)
      },
      message,
      drained: (session) => core().drained(session.client),
      closed(session, reason) {
        if (connected.get(session.client)?.epoch === session.epoch) connected.delete(session.client)
        core().disconnected(session.client, session.epoch)
        announce(session, 'disconnected', reason)
        claims?.left(session.client, session.epoch)
      },
    },
  })

  const sessions = { all: () => endpoint.sessions(), count: () => endpoint.count }
  const stopClocks = every(
    clock,
    CLOCK_STEP_MS,
    inTurn({ ...sessions, steps: CLOCK_INTERVAL_MS / CLOCK_STEP_MS }, (session) => stamp(session)),
  )
  /** By bucket: a hub of it, whom its `alive` speaks of. */
  const subjects = new Map<number, string>()
  // Buckets without a session too: a relay that says nothing there could not be told from one that is gone.
  const stopAlive = every(clock, ALIVE_INTERVAL_MS, () => {
    const sessions = new Map<number, number>()
    for (const { client } of endpoint.sessions()) {
      const bucket = bucketOf(client, layout.buckets)
      sessions.set(bucket, (sessions.get(bucket) ?? 0) + 1)
      subjects.set(bucket, client)
    }
    // Reading all that are enrolled takes long where they are many; and then each bucket has one that is connected.
    if (subjects.size < layout.buckets) {
      for (const { hub } of options.enrolled()) {
        const bucket = bucketOf(hub, layout.buckets)
        if (!sessions.has(bucket)) subjects.set(bucket, hub)
      }
    }
    for (const [bucket, hub] of subjects) {
      tell({ m: clock.monotonic(), kind: 'alive', hub, sessions: sessions.get(bucket) ?? 0 })
    }
  })

  return {
    endpoint,
    hubs: () => connected,
    async close() {
      stopClocks()
      stopAlive()
      await endpoint.close()
      claims?.close()
    },
  }
}
