import { hkdfSync } from 'node:crypto'
import type { Server } from 'node:tls'
import type { Clock } from '../contract/clock.ts'
import { TICKET_KEYS_MS } from './limits.ts'

/**
 * Makes a server's TLS tickets good beyond its own run: hubs that come back all at once after a restart resume, at half
 * the CPU. The keys (48 bytes, RFC 5077 section 4) come from `secret`, the server's private key: whoever has that could
 * issue tickets anyway. They change each week; a ticket from before costs a full handshake. Returns what ends it.
 */
export function keepTicketKeys(server: Server, secret: string, clock: Clock): () => void {
  let cancel: () => void
  const turn = () => {
    const now_ms = clock.now()
    const period = Math.floor(now_ms / TICKET_KEYS_MS)
    server.setTicketKeys(Buffer.from(hkdfSync('sha256', secret, 'hearth tickets', String(period), 48)))
    cancel = clock.timer((period + 1) * TICKET_KEYS_MS - now_ms, turn)
  }
  turn()
  return () => cancel()
}
