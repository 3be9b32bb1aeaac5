import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { Problem } from '../contract/problem.ts'
import { type Identity, isId } from '../contract/source.ts'

/** Who a certificate says is at the other end. `serial` in upper-case hex, `expires_ms` since 1970. */
export type PeerIdentity = Identity & { readonly serial: string; readonly fleet: string; readonly expires_ms: number }

/** May this certificate be used? Asked after every handshake, resumed ones too, and again at `recheck`. */
export type Authorise = (
  identity: PeerIdentity,
) => { readonly ok: true } | { readonly ok: false; readonly reason: string }

const NAME = /^URI:hearth:\/\/([^/,"]+)\/(hub|service)\/([^/,"]+)\/(\d{1,9})$/

/** Reads `hearth://<fleet>/<role>/<source>/<generation>` from the certificate's URI names; raises `unauthorized`. */
export function identityOf(certificate: X509Certificate): PeerIdentity {
  const names = (certificate.subjectAltName ?? '').split(', ').filter((name) => name.startsWith('URI:hearth:'))
  const match = names.length === 1 ? NAME.exec(names[0] ?? '') : null
  const [, fleet = '', role = '', source = '', generation = ''] = match ?? []
  if (!match || !isId(source) || !isId(fleet)) {
    throw new Problem(
      'unauthorized',
      `expected one name hearth://<fleet>/<hub|service>/<source>/<generation> in the certificate, found ${JSON.stringify(certificate.subjectAltName ?? '')}; enrol again`,
    )
  }
  return {
    source,
    role: role === 'hub' ? 'hub' : 'service',
    generation: Number(generation),
    serial: certificate.serialNumber,
    fleet,
    expires_ms: certificate.validToDate.getTime(),
  }
}

/**
 * Who is at the other end of a socket whose handshake is done. A resumed handshake proves only that the certificate was
 * good once, so its dates are looked at again. Raises `unauthorized`.
 */
export function peerOf(socket: TLSSocket, now_ms: number, fleet?: string): PeerIdentity {
  const certificate = socket.getPeerX509Certificate()
  if (!certificate) throw new Problem('unauthorized', 'expected a client certificate, found none; enrol first')
  const identity = identityOf(certificate)
  if (identity.expires_ms < now_ms) {
    throw new Problem('unauthorized', `the certificate of ${identity.source} has expired; renew it`)
  }
  if (fleet !== undefined && identity.fleet !== fleet) {
    throw new Problem(
      'unauthorized',
      `the certificate of ${identity.source} is of fleet ${identity.fleet}, not ${fleet}`,
    )
  }
  return identity
}
