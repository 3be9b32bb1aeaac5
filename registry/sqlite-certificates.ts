import type { Clock } from '../contract/clock.ts'
import type { HubRecord } from '../contract/registry-record.ts'
import { type Administration, normalSerial } from './administration.ts'
import { certificateEntry } from './row.ts'
import type { Reads } from './sqlite-statements.ts'

/** Which certificates are good, as the file has it. */
export function certificatesIn(
  { get, all }: Reads,
  clock: Clock,
  hub: (id: string) => HubRecord | undefined,
): Pick<Administration, 'allows' | 'certificates'> {
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
      const record = hub(source)
      if (!record) return refuse(`hub ${source} is not enrolled`)
      if (record.retired_ms !== undefined && record.retired_ms <= clock.now()) return refuse(`hub ${source} is retired`)
      if (record.generation !== generation) {
        return refuse(`hub ${source} was enrolled anew: generation ${record.generation} replaced ${generation}`)
      }
      return { ok: true }
    },
    certificates: (source) =>
      (source === undefined
        ? all('SELECT * FROM certificates ORDER BY issued_ms DESC, serial')
        : all('SELECT * FROM certificates WHERE source = ? ORDER BY issued_ms DESC, serial', source)
      ).map(certificateEntry),
  }
}
