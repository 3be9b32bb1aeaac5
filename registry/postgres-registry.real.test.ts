import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { type PostgresServer, startPostgres } from '../infra/postgres/server.ts'
import { seededRandom } from '../sim/clock.ts'
import { openPostgresRegistry } from './postgres-registry.ts'
import { registryConformance } from './registry.conformance.ts'

let postgres: PostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres[Symbol.asyncDispose]())

registryConformance('the Postgres registry', async () => {
  const url = await postgres.newDatabase()
  const folder = mkdtempSync(join(tmpdir(), 'hearth-registry-'))
  let opened = 0
  return {
    // Each as on a machine of its own.
    open: (clock) =>
      openPostgresRegistry({
        ...{ fleet: 'demo', layout: { epoch: 1, buckets: 4 }, clock, random: seededRandom(opened + 1) },
        address: { url, password: postgres.password, ca: readFileSync(postgres.ca_file, 'utf8') },
        copy: join(folder, `copy-${opened++}.db`),
        note: () => undefined,
      }),
    dispose: async () => rmSync(folder, { recursive: true }),
  }
})
