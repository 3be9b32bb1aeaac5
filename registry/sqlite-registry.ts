import type { Administration } from './administration.ts'
import { certificatesIn } from './sqlite-certificates.ts'
import { hubsIn } from './sqlite-hubs.ts'
import { number } from './sqlite-row.ts'
import { openDatabase, type RegistryOptions } from './sqlite-schema.ts'
import { openStatements } from './sqlite-statements.ts'
import { tokensIn } from './sqlite-tokens.ts'
import { watchDatabase } from './sqlite-watch.ts'

/**
 * The registry in one SQLite file (WAL, synced at each change), which several processes may have open.
 * Raises `conflict` for a file of another fleet or layout, `invalid` for one of a newer format, and as every call on
 * it `unavailable`, `limit` (disk full) and `corrupt`.
 */
export function openSqliteRegistry(path: string, options: RegistryOptions): Administration {
  const { database, boot, wall_ms } = openDatabase(path, options)
  const watching = watchDatabase(options.clock, () => number(statements.get('PRAGMA data_version')?.['data_version']))
  const statements = openStatements(database, path, () => watching.changed())
  const hubs = hubsIn(statements, options, wall_ms)
  return {
    fleet: options.fleet,
    boot,
    wall_ms,
    ...hubs.seen,
    ...tokensIn(statements, options),
    ...certificatesIn(statements, options, hubs),
    watch: (callback) => watching.watch(callback),
    close() {
      watching.close()
      database.close()
    },
  }
}
