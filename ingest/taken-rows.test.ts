import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import type { Identity } from '../contract/source.ts'
import { removeOf } from '../lake/action.ts'
import { REMOVALS_TXN } from '../lake/conflict.ts'
import type { Ranges } from './ranges.ts'
import { commitRanges } from './ranges-store.ts'
import { batchOf, packed, reading } from './testing/batch.ts'
import { openSystem, type System } from './testing/system.ts'

const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
const bucket = bucketOf('demo-01', 4)

let folder: string
let system: System
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-taken-'))
  system = await openSystem(folder)
})
afterEach(async () => {
  await system.close()
  await rm(folder, { recursive: true })
})

const send = async (first: number, value: number) =>
  expect(await system.gateway.receive(hub, packed(batchOf([reading(1, value)], { first })), 'https')).toEqual({
    kind: 'durable',
  })
const values = async () =>
  (await system.rows(`SELECT value FROM events WHERE kind = 'reading'`)).map(({ value }) => value)

/** All rows go, as by retention: the first event of each boot of these ranges. */
async function takeRows(ranges: Ranges): Promise<void> {
  const base = await system.table.snapshot()
  const gone = [...ranges.values()].flatMap(({ source, stream, boots }) =>
    [...boots.keys()].map((boot) => ({
      ...{ source, stream, boot, stored: [], dead: [], dropped: [], gone: [[0, 1]] as const },
      ...{ next: 0, acked: 0, closed: false, heard_ms: 0 },
    })),
  )
  await system.table.commit({
    ...{ id: 'retain', kind: 'retain', base, adds: [], removes: [...base.files.values()].map((add) => removeOf(add)) },
    info: { ranges: await commitRanges(system.store, 1, new Map([[bucket, gone]])) },
    txns: [{ appId: REMOVALS_TXN, expected: undefined, next: 1 }],
  })
}

test('what was gathered by ranges from before rows were taken away is gathered anew, and no such ranges are kept', async () => {
  await send(0, 10)
  await system.writer.commitOnce()
  const writer = await system.openOne(undefined, { snapshot_commits: 1 })
  await takeRows(writer.ranges(bucket))
  await send(1, 11)
  await writer.commitOnce()
  expect(system.facts.at(-1)).toMatchObject({ kind: 'retry', reason: 'rows were taken away' })
  expect(await values()).toEqual([])
  await writer.commitOnce()
  expect(await values()).toEqual([11])
  expect(await system.verify()).toMatchObject({ ok: true, totals: { stored: 2, gone: 1 } })
})
