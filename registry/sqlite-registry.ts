import type { Administration } from './administration.ts'
import type { RegistryOptions } from './registry-options.ts'
import { number } from './row.ts'
import { certificatesIn } from './sqlite-certificates.ts'
import { hubsIn } from './sqlite-hubs.ts'
import { openDatabase } from './sqlite-schema.ts'
import { openStatements } from './sqlite-statements.ts'
import { tokensIn } from './sqlite-tokens.ts'
import { watchDatabase } from './sqlite-watch.ts'
import type { Steps } from './steps.ts'
import { registryWrites } from './writes.ts'

/**
 * The registry in one SQLite file (WAL, synced at each change), which several processes may have open.
 * Raises `conflict` for a file of another fleet or layout, `invalid` for one of a newer format, and as every call on
 * it `unavailable`, `limit` (disk full) and `corrupt`.
 */
export function openSqliteRegistry(path: string, options: RegistryOptions): Administration {
  const { clock } = options
  const { database, boot, wall_ms } = openDatabase(path, options)
  const watching = watchDatabase(clock, () => number(statements.get('PRAGMA data_version')?.['data_version']))
  const statements = openStatements(database, path, () => watching.changed())
  const hubs = hubsIn(statements)
  const change = async <T>(steps: () => Steps<T>) => statements.change(steps())
  return {
    fleet: options.fleet,
    boot,
    wall_ms,
    ...hubs,
    ...tokensIn(statements, clock),
    ...certificatesIn(statements, clock, hubs.hub),
    ...registryWrites(change, { ...options, wall_ms }),
    stale_ms: () => 0,
    watch: (callback) => watching.watch(callback),
    async close() {
      watching.close()
      database.close()
    },
  }
}
