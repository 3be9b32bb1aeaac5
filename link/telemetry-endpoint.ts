import { Server } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { BatchAnswer } from '../contract/batch.ts'
import type { Clock } from '../contract/clock.ts'
import { topics } from '../contract/command.ts'
import { BATCH_COMPRESSED_MAX_BYTES } from '../contract/limits.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import { type Identity, parseEpoch } from '../contract/source.ts'
import type { Authorise, PeerIdentity } from './identity.ts'
import { PACKET_OVERHEAD_BYTES } from './limits.ts'
import { listenMqtt, type MqttEndpoint, type ServerTls, secureContextOf } from './mqtt-endpoint.ts'
import type { MqttMessage } from './mqtt-handler.ts'
import { REASON } from './mqtt-reason.ts'
import type { MqttSession } from './mqtt-session.ts'
import { telemetryHttps } from './telemetry-https.ts'

/** Batches of one session that may wait for their answer. */
const BATCHES_IN_FLIGHT_MAX = 8

export type TelemetryOptions = {
  readonly mqtt: { readonly host: string; readonly port: number }
  readonly https: { readonly host: string; readonly port: number }
  readonly tls: ServerTls
  readonly clock: Clock
  readonly fleet?: string
  readonly authorise: Authorise
  /**
   * Resolves once the batch is durable, or set aside for good. When there is no room it waits over MQTT, which knows no
   * such answer, and raises `limit` over HTTPS: nothing was kept.
   */
  readonly receive: (identity: Identity, bytes: Buffer, listener: 'mqtt' | 'https') => Promise<BatchAnswer>
  /** Who sends with this token; raises `unauthorized`. Absent: tokens are not taken. */
  readonly verifyToken?: (token: string) => Identity
  /** Highest boot counter known of a source, for CONNACK; over HTTPS it is in the answer of `receive`. */
  readonly floor?: (source: string, generation: number) => number | undefined
  /** May this gateway get traffic? */
  readonly ready?: () => boolean
  /** More routes on the HTTPS server: enrolment, metrics. A body arrives as a Buffer. */
  readonly routes?: (app: FastifyInstance) => void | Promise<void>
  readonly fault?: (error: unknown) => void
  readonly refused?: (reason: string, address: string) => void
}

export type TelemetryEndpoint = {
  readonly mqtt: MqttEndpoint
  readonly mqttUrl: string
  readonly httpsUrl: string
  /** Cuts sessions whose certificate is no longer good; HTTPS asks at each request. */
  recheck(): void
  /** Another certificate, other authorities: for handshakes from now on; sessions go on. */
  setTls(tls: ServerTls): void
  drain(options?: { readonly per_second?: number; readonly signal?: AbortSignal }): Promise<void>
  close(): Promise<void>
}

/** Takes batches over MQTT and HTTPS and hands them to `receive`. Raises `unavailable` when a port cannot be had. */
export async function listenTelemetry(options: TelemetryOptions): Promise<TelemetryEndpoint> {
  let draining = false
  const app = await telemetryHttps(options, () => !draining && (options.ready?.() ?? true))

  const mqtt = await listenMqtt({
    ...options.mqtt,
    tls: options.tls,
    clock: options.clock,
    authorise: options.authorise,
    packet_max_bytes: BATCH_COMPRESSED_MAX_BYTES + PACKET_OVERHEAD_BYTES,
    receive_max: BATCHES_IN_FLIGHT_MAX,
    publishTopics: ({ source }) => [topics.telemetry(source)],
    subscribeTopics: ({ source }) => [topics.refused(source)],
    ...(options.fleet === undefined ? {} : { fleet: options.fleet }),
    ...(options.fault ? { fault: options.fault } : {}),
    ...(options.refused ? { refused: options.refused } : {}),
    handler: {
      connect: ({ identity, epoch }) => ({ accept: true, ...floorFor(identity, epoch) }),
      message: (session, message) => take(session, message),
    },
  })

  function floorFor(identity: PeerIdentity, epoch: string): { floor?: number } {
    const floor = options.floor?.(identity.source, identity.generation)
    return floor === undefined || parseEpoch(epoch).counter >= floor ? {} : { floor }
  }

  async function take(session: MqttSession, message: MqttMessage) {
    // Meanwhile the batch's PUBACK is outstanding, so the session sends no more than its receive maximum.
    const answer = await options.receive(session.identity, message.payload, 'mqtt')
    if (answer.kind === 'durable') return undefined
    session.publish(topics.refused(session.client), Buffer.from(JSON.stringify({ hearth: 1, reason: answer.reason })))
    return { code: REASON.payloadNotValid, reason: answer.reason }
  }

  let httpsUrl: string
  try {
    httpsUrl = await app.listen(options.https)
  } catch (error) {
    await mqtt.close()
    throw new Problem(
      'unavailable',
      `cannot listen on ${options.https.host}:${options.https.port}: ${messageOf(error)}; stop what has it, or choose another port`,
      { cause: error },
    )
  }

  return {
    mqtt,
    mqttUrl: mqtt.url,
    httpsUrl,
    recheck: () => mqtt.recheck(),
    setTls(next) {
      mqtt.setTls(next)
      if (app.server instanceof Server) app.server.setSecureContext(secureContextOf(next))
    },
    drain(how) {
      draining = true
      return mqtt.drain(how)
    },
    async close() {
      draining = true
      await Promise.all([mqtt.close(), app.close()])
    },
  }
}
