import type { Clock } from '../contract/clock.ts'
import type { PeerIdentity } from './identity.ts'
import type { CloseReason } from './mqtt-reason.ts'

export type ConnectRequest = {
  readonly identity: PeerIdentity
  /** The user name as it came: a session epoch, `1.42.7`. */
  readonly epoch: string
  readonly protocol: 4 | 5
  readonly address: string
}

/** `floor` goes to the hub as user property `hearth-floor`, which only MQTT 5 can carry. */
export type ConnectAnswer =
  | { readonly accept: true; readonly floor?: number }
  | { readonly accept: false; readonly code: number; readonly reason: string; readonly floor?: number }

export type MqttMessage = { readonly topic: string; readonly payload: Buffer; readonly qos: 0 | 1 }

/** Absent, or code 0: taken. A reason goes into the PUBACK of MQTT 5. */
export type MessageAnswer = { readonly code: number; readonly reason?: string } | undefined

/** What the owner of an endpoint does with its sessions. Calls for one session come in order, `closed` last, once. */
export type MqttHandler = {
  /** Asked after the certificate was found good. Without it every known hub is let in. */
  connect?(request: ConnectRequest): ConnectAnswer | Promise<ConnectAnswer>
  /** CONNACK is on its way; the hub has not subscribed yet. */
  opened?(session: MqttSession): void
  /** From now on the hub hears `topic`. */
  subscribed?(session: MqttSession, topic: string): void
  /** PUBACK waits for the answer. A rejection is a fault of ours: the session is cut and the hub sends again. */
  message(session: MqttSession, message: MqttMessage): MessageAnswer | Promise<MessageAnswer>
  /** After a `full` publish there is room again. */
  drained?(session: MqttSession): void
  closed?(session: MqttSession, reason: CloseReason): void
}

/** What became of a message to a hub. `full`: nothing was sent, wait for `drained`. */
export type PublishOutcome = 'sent' | 'full' | 'gone' | 'unsubscribed' | 'too-large'

export type MqttSession = {
  readonly client: string
  readonly identity: PeerIdentity
  /** The user name: the session epoch. */
  readonly epoch: string
  readonly protocol: 4 | 5
  readonly address: string
  /** Monotonic clock at CONNACK, ms. */
  readonly opened_ms: number
  readonly open: boolean
  readonly buffered_bytes: number
  /** Always QoS 0: nothing that Hearth tells a hub is of use once the connection is gone. */
  publish(topic: string, payload: Uint8Array): PublishOutcome
  close(reason: CloseReason): void
}

/** What the endpoint gives each of its sessions. */
export type SessionContext = {
  readonly clock: Clock
  readonly handler: MqttHandler
  readonly packet_max_bytes: number
  readonly receive_max: number
  readonly publishTopics: (identity: PeerIdentity) => readonly string[]
  readonly subscribeTopics: (identity: PeerIdentity) => readonly string[]
  /** Ends the older session of the same hub; says why there is no place, if so. */
  admit(session: MqttSession): { readonly code: number; readonly reason: string } | undefined
  leave(session: MqttSession): void
  /** Is there room for more payloads in all sessions together? When not, `later` is called once there is. */
  room(later: () => void): boolean
  hold(bytes: number): void
  unhold(bytes: number): void
  /** Calls back once all that has come to the process by now was read. */
  afterReading(callback: () => void): void
  /** A CONNECT that is answered with other than success. */
  refused(reason: string, address: string): void
  /** For what a handler raised: a fault of ours. */
  fault(error: unknown): void
}
