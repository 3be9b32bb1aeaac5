import { Problem } from '../contract/problem.ts'
import { type Administration, normalSerial } from './administration.ts'
import { CODE_LIFE_MS, CODES_PER_HUB_MAX } from './limits.ts'
import type { hubsIn } from './sqlite-hubs.ts'
import { certificateEntry, number, text } from './sqlite-row.ts'
import type { RegistryOptions } from './sqlite-schema.ts'
import type { Statements } from './sqlite-statements.ts'
import { sha256 } from './sqlite-tokens.ts'

type Certificates = Pick<
  Administration,
  'allows' | 'recordCertificate' | 'revokeCertificate' | 'certificates' | 'createCode' | 'redeemCode'
>

/** Which certificates are good, and the one-time codes with which a device gets its first. */
export function certificatesIn(
  { get, all, run, change }: Statements,
  { clock, random }: Pick<RegistryOptions, 'clock' | 'random'>,
  hubs: ReturnType<typeof hubsIn>,
): Certificates {
  return {
    allows({ source, generation, serial }) {
      const refuse = (reason: string) => ({ ok: false, reason }) as const
      const row = get('SELECT * FROM certificates WHERE serial = ?', normalSerial(serial))
      if (!row) return refuse(`certificate ${serial} is not known to this registry`)
      const entry = certificateEntry(row)
      if (entry.revoked_ms !== undefined) return refuse(`certificate ${serial} was revoked: ${entry.reason}`)
      if (entry.source !== source || entry.generation !== generation) {
        return refuse(`certificate ${serial} is of ${entry.source}, generation ${entry.generation}`)
      }
      if (entry.role !== 'hub') return { ok: true }
      const record = hubs.seen.hub(source)
      if (!record) return refuse(`hub ${source} is not enrolled`)
      if (record.retired_ms !== undefined && record.retired_ms <= clock.now()) return refuse(`hub ${source} is retired`)
      if (record.generation !== generation) {
        return refuse(`hub ${source} was enrolled anew: generation ${record.generation} replaced ${generation}`)
      }
      return { ok: true }
    },

    recordCertificate({ serial, source, role, generation, issued_ms, expires_ms, revoked_ms, reason }) {
      const columns = [normalSerial(serial), source, role, generation, issued_ms, expires_ms, revoked_ms ?? null]
      change(() => run('INSERT INTO certificates VALUES (?, ?, ?, ?, ?, ?, ?, ?)', ...columns, reason ?? null))
    },

    revokeCertificate(serial, reason) {
      const found = change(() =>
        run(
          'UPDATE certificates SET revoked_ms = coalesce(revoked_ms, ?), reason = coalesce(reason, ?) WHERE serial = ?',
          clock.now(),
          reason,
          normalSerial(serial),
        ),
      )
      if (found === 0) throw new Problem('missing', `no certificate with serial ${serial} was issued here`)
    },

    certificates: (source) =>
      (source === undefined
        ? all('SELECT * FROM certificates ORDER BY issued_ms DESC, serial')
        : all('SELECT * FROM certificates WHERE source = ? ORDER BY issued_ms DESC, serial', source)
      ).map(certificateEntry),

    createCode(hub, life_ms = CODE_LIFE_MS) {
      const code = enrolmentCode(random.bytes(15))
      change(() => {
        if (hubs.known(hub).retired_ms !== undefined) {
          throw new Problem('conflict', `hub ${hub} is retired: add it again before it can be enrolled`)
        }
        const now_ms = clock.now()
        run('DELETE FROM codes WHERE expires_ms <= ?', now_ms)
        run(
          'DELETE FROM codes WHERE hash IN (SELECT hash FROM codes WHERE hub = ? ORDER BY created_ms DESC LIMIT -1 OFFSET ?)',
          hub,
          CODES_PER_HUB_MAX - 1,
        )
        run('INSERT INTO codes VALUES (?, ?, ?, ?, NULL, NULL)', sha256(code), hub, now_ms, now_ms + life_ms)
      })
      return code
    },

    redeemCode(code, key_hash) {
      return change(() => {
        const now_ms = clock.now()
        const hash = sha256(code.trim().toLowerCase())
        const row = get('SELECT * FROM codes WHERE hash = ?', hash)
        if (!row || number(row['expires_ms']) <= now_ms) {
          throw new Problem('unauthorized', 'this enrolment code is not known or has expired: ask for a new one')
        }
        const hub = text(row['hub'])
        if (row['key_hash'] === key_hash) return { hub, generation: number(row['generation']) }
        if (row['key_hash'] !== null) {
          throw new Problem('unauthorized', 'this enrolment code was used by another device: ask for a new one')
        }
        const record = hubs.known(hub)
        const had = get(
          "SELECT 1 FROM certificates WHERE source = ? AND generation = ? AND role = 'hub'",
          hub,
          record.generation,
        )
        const generation = had ? record.generation + 1 : record.generation
        if (had) hubs.write({ ...record, generation, enrolled_ms: now_ms }, now_ms)
        run('UPDATE codes SET key_hash = ?, generation = ? WHERE hash = ?', key_hash, generation, hash)
        return { hub, generation }
      })
    },
  }
}

/** 15 bytes as 24 symbols that can be read aloud (Crockford's base 32), in groups of six. */
function enrolmentCode(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const symbols = (bits.match(/.{5}/g) ?? []).map((five) => CROCKFORD[Number.parseInt(five, 2)]).join('')
  return symbols.match(/.{6}/g)?.join('-') ?? symbols
}

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'
