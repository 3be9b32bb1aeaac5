/** How a client whose clock may be wrong knows that it speaks with its fleet. */
import { X509Certificate } from 'node:crypto'
import tls from 'node:tls'
import { messageOf } from '../contract/problem.ts'

/** Extended key usage serverAuth (RFC 5280 section 4.2.1.12). */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

/** Of a client: `now_ms` is what its clock says, `floor_ms` a moment that is past for certain. */
export type ClientTime = { readonly now_ms: number; readonly floor_ms: number }

/**
 * A TLS connection that is ended before anything is sent on it, unless the server proves to be `options.host` by a
 * certificate that one of `options.ca` signed. TLS itself sees to that by the machine's clock. Where this is behind
 * `floor_ms` (1970: a hub without a battery) nothing would be valid yet, so the same is checked here as of the floor.
 */
export function connectChecked(
  options: tls.ConnectionOptions & { readonly host: string; readonly ca: string },
  { now_ms, floor_ms }: ClientTime,
): tls.TLSSocket {
  if (now_ms >= floor_ms) return tls.connect(options)
  const socket = tls.connect({ ...options, rejectUnauthorized: false })
  // Runs within the handshake's end: what was written before waits for it, as for TLS's own check.
  socket.prependListener('secureConnect', () => {
    const wrong = faultOf(socket.getPeerX509Certificate(), { ...options, at_ms: floor_ms })
    if (wrong !== undefined) socket.destroy(new Error(wrong))
  })
  return socket
}

/** What is wrong with a server's certificate as of `at_ms`; undefined when nothing is. The CA signs servers itself. */
export function faultOf(
  certificate: X509Certificate | undefined,
  { host, ca, at_ms }: { readonly host: string; readonly ca: string; readonly at_ms: number },
): string | undefined {
  if (!certificate) return 'the server has no certificate'
  const roots = (ca.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (pem) => new X509Certificate(pem),
  )
  const signer = roots.find((root) => root.ca && certificate.checkIssued(root) && certificate.verify(root.publicKey))
  if (!signer) return "the server's certificate was signed by none of the CAs that this hub trusts"
  const over = [certificate, signer].find((one) => one.validToDate.getTime() < at_ms)
  if (over) return `a certificate of the server's ended at ${over.validToDate.toISOString()}`
  if (!(certificate.keyUsage ?? []).includes(SERVER_AUTH)) return 'the certificate is not for a server'
  try {
    return tls.checkServerIdentity(host, certificate.toLegacyObject())?.message
  } catch (error) {
    return messageOf(error)
  }
}
