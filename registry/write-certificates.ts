import { Problem } from '../contract/problem.ts'
import { type Administration, normalSerial } from './administration.ts'
import type { RegistryOptions } from './registry-options.ts'
import { text } from './row.ts'
import { type Change, row, rows, run } from './steps.ts'

const INSERT =
  'INSERT INTO certificates (serial, source, role, generation, issued_ms, expires_ms, revoked_ms, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)'
const REVOKE =
  'UPDATE certificates SET revoked_ms = coalesce(revoked_ms, ?), reason = coalesce(reason, ?) WHERE serial = ?'

const SAID = 'SELECT hub FROM trust WHERE hub = ? AND serial = ? AND cas = ?'
const SAY =
  'INSERT INTO trust (hub, serial, cas) VALUES (?, ?, ?) ON CONFLICT (hub) DO UPDATE SET serial = excluded.serial, cas = excluded.cas'

/** Which serials are known, and which no longer good. */
export function certificateWrites(
  change: Change,
  { clock }: Pick<RegistryOptions, 'clock'>,
): Pick<Administration, 'recordCertificate' | 'revokeCertificate' | 'recordTrust' | 'trust'> {
  return {
    async recordCertificate({ serial, source, role, generation, issued_ms, expires_ms, revoked_ms, reason }) {
      const columns = [normalSerial(serial), source, role, generation, issued_ms, expires_ms, revoked_ms ?? null]
      await change(() => run(INSERT, ...columns, reason ?? null))
    },
    async revokeCertificate(serial, reason) {
      const found = await change(() => run(REVOKE, clock.now(), reason, normalSerial(serial)))
      if (found === 0) throw new Problem('missing', `no certificate with serial ${serial} was issued here`)
    },
    recordTrust: ({ hub, serial, cas }) =>
      change(function* () {
        if (!(yield* row(SAID, hub, normalSerial(serial), cas))) yield* run(SAY, hub, normalSerial(serial), cas)
      }),
    trust: () =>
      change(function* () {
        const found = yield* rows('SELECT hub, serial, cas FROM trust ORDER BY hub')
        return found.map(({ hub, serial, cas }) => ({ hub: text(hub), serial: text(serial), cas: text(cas) }))
      }),
  }
}
