import { Problem } from '../contract/problem.ts'
import { type Administration, normalSerial } from './administration.ts'
import type { RegistryOptions } from './registry-options.ts'
import { type Change, run } from './steps.ts'

const INSERT =
  'INSERT INTO certificates (serial, source, role, generation, issued_ms, expires_ms, revoked_ms, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)'
const REVOKE =
  'UPDATE certificates SET revoked_ms = coalesce(revoked_ms, ?), reason = coalesce(reason, ?) WHERE serial = ?'

/** Which serials are known, and which no longer good. */
export function certificateWrites(
  change: Change,
  { clock }: Pick<RegistryOptions, 'clock'>,
): Pick<Administration, 'recordCertificate' | 'revokeCertificate'> {
  return {
    async recordCertificate({ serial, source, role, generation, issued_ms, expires_ms, revoked_ms, reason }) {
      const columns = [normalSerial(serial), source, role, generation, issued_ms, expires_ms, revoked_ms ?? null]
      await change(() => run(INSERT, ...columns, reason ?? null))
    },
    async revokeCertificate(serial, reason) {
      const found = await change(() => run(REVOKE, clock.now(), reason, normalSerial(serial)))
      if (found === 0) throw new Problem('missing', `no certificate with serial ${serial} was issued here`)
    },
  }
}
