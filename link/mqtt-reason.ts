/** Reason codes that Hearth uses (MQTT 5.0 section 2.4). */
export const REASON = {
  success: 0x00,
  unspecified: 0x80,
  malformed: 0x81,
  protocolError: 0x82,
  implementation: 0x83,
  unsupportedVersion: 0x84,
  clientIdNotValid: 0x85,
  notAuthorised: 0x87,
  serverBusy: 0x89,
  shuttingDown: 0x8b,
  keepAliveTimeout: 0x8d,
  takenOver: 0x8e,
  filterNotValid: 0x8f,
  topicNotValid: 0x90,
  receiveMaximum: 0x93,
  topicAlias: 0x94,
  packetTooLarge: 0x95,
  quotaExceeded: 0x97,
  payloadNotValid: 0x99,
  retainNotSupported: 0x9a,
  qosNotSupported: 0x9b,
  useAnotherServer: 0x9c,
  sharedNotSupported: 0x9e,
  subscriptionIds: 0xa1,
  wildcardsNotSupported: 0xa2,
} as const

/** CONNACK return codes of MQTT 3.1.1 (section 3.2.2.3) for the reason codes of 5. */
export function connackCode4(reason: number): number {
  if (reason === REASON.success) return 0
  if (reason === REASON.unsupportedVersion) return 1
  if (reason === REASON.clientIdNotValid) return 2
  if (reason === REASON.serverBusy || reason === REASON.useAnotherServer || reason === REASON.shuttingDown) return 3
  return 5
}

/**
 * Why a session ended. `planned`: the hub said good-bye, or this server moved it away: not a fault of the connection.
 * `taken-over`: a newer session of the same hub came, which tells the rest.
 */
export type CloseReason = {
  readonly kind:
    | 'good-bye'
    | 'lost'
    | 'keep-alive'
    | 'taken-over'
    | 'broken-rule'
    | 'revoked'
    | 'too-slow'
    | 'draining'
    | 'stopped'
    | 'closed'
  readonly planned: boolean
  /** Reason code of the DISCONNECT, ours or theirs; absent when there was none. */
  readonly code?: number
  readonly text: string
}
