import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { machineClock as clock, machineRandom as random } from '../cli/machine.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import { createLake } from '../lake/lake.ts'
import { openGateway } from './gateway.ts'
import { openSqliteLog } from './sqlite-log.ts'
import { batchOf, packed, reading } from './testing/batch.ts'
import { openWriting } from './writing.ts'

test('asked to end, it first commits all that was acknowledged', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-ingest-'))
  const layout = { epoch: 1, buckets: 2 }
  const store = openFolderStore(join(folder, 'lake'))
  const lake = await createLake({ store, clock, random, fleet: 'demo', region: 'local', buckets: 2 })
  const log = await openSqliteLog(join(folder, 'log.db'), { buckets: 2, clock, random })
  const note = () => undefined
  const gateway = openGateway({ log, layout, clock })
  const writing = await openWriting({ lake, log, layout, clock, random, note })
  try {
    for (let hub = 0; hub < 8; hub++) {
      const identity = { source: `hub-${hub}`, role: 'hub', generation: 1 } as const
      await gateway.receive(identity, packed(batchOf([reading(1, hub)])), 'mqtt')
    }
    // As when these came while its last commit ran: the writer's own loop is over.
    await writing.run(AbortSignal.abort())
    const { position, stopped } = sumOf(writing.writer.buckets())
    expect({ position, stopped }).toEqual({ position: 8, stopped: 0 })
  } finally {
    await writing.close()
    await log.close()
    await rm(folder, { recursive: true })
  }
})

const sumOf = (buckets: readonly { readonly position: number; readonly stopped: string | undefined }[]) => ({
  position: buckets.reduce((sum, one) => sum + one.position, 0),
  stopped: buckets.filter((one) => one.stopped !== undefined).length,
})
