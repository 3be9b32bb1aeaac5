import type { TLSSocket } from 'node:tls'
import { messageOf } from '../contract/problem.ts'

/** Why a server's TLS handshake failed, for people: `error` and `socket` as `tlsClientError` has them. */
export function handshakeFault(error: Error, socket: TLSSocket): string {
  // Node turns a certificate away by closing, and its error is the one of a peer that went.
  const unfit: unknown = socket.authorizationError
  if (unfit) return `its certificate is not of this server's CA, or is not good any more: ${messageOf(unfit)}`
  if ('code' in error && error.code === 'ECONNRESET')
    return 'it left before the TLS handshake was over; one that does not trust the certificate of this server does so'
  // OpenSSL's message has addresses and lines of its source around it.
  return 'reason' in error ? `TLS: ${String(error.reason)}` : error.message
}
