import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startChild } from '../child.ts'
import type { BenchFleet } from '../server.ts'
import { type LoadDone, type LoadTask, loadDone } from './load.ts'

/** Batches of a connection under way, as a hub's outbox does for a stream (link/limits.ts, IN_FLIGHT_MAX). */
export const WINDOW = 4

/** Starts the load generator; resolves when all its hubs are connected. `go` lets it send, and tells what it saw. */
export async function startLoad(fleet: BenchFleet, task: Omit<LoadTask, 'certificates'>) {
  const certificates = join(fleet.home, 'certificates.json')
  await writeFile(certificates, JSON.stringify(Object.fromEntries(fleet.hubs)), { mode: 0o600 })
  const child = startChild(join(import.meta.dirname, 'load-child.ts'), { ...task, certificates })
  if ((await child.line()) !== 'ready') throw new Error('the load generator did not get ready')
  return {
    async go(): Promise<LoadDone> {
      child.write('go')
      return loadDone.parse(JSON.parse(await child.line()))
    },
  }
}
