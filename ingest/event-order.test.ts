import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EVENTS_COLUMNS, EVENTS_SORT } from '../contract/events-table.ts'
import { type DuckDb, openDuckDb, rowsOf } from '../lake/duckdb.ts'
import type { EncoderBatch } from './encoder.ts'
import { beginAttempt } from './event-attempt.ts'
import { openEventEncoding } from './event-encoding.ts'
import { openEventRows } from './event-rows.ts'
import { readPayload } from './payload.ts'
import { batchOf } from './testing/batch.ts'

let folder: string
let duckdb: DuckDb
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-order-'))
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(async () => {
  await duckdb[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const line = fc.oneof(
  fc.record({
    m: fc.nat(1_000),
    kind: fc.constantFrom('reading', 'log', 'ä', 'Z'),
    device: fc.constantFrom('lamp', 'plug', 'ö', '', undefined),
  }),
  fc.constant('no json'),
)
const batch = fc.record({
  source: fc.constantFrom('demo-01', 'demo-02', 'a'),
  first: fc.nat(50),
  lines: fc.array(line, { maxLength: 8 }),
  form: fc.constantFrom('good', 'unreadable', 'claim'),
})

test('rows of a file are in the order of the table, whatever order batches came in', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 12 }), fc.integer(), async (batches, seed) => {
      const attempt = beginAttempt(openEventRows(), 1, seed)
      batches.forEach(({ source, first, lines, form }, position) => {
        const { header, lines: bytes } = readPayload(batchOf(lines, { first }))
        const about = {
          bucket: 0,
          position,
          source,
          role: 'hub',
          listener: 'mqtt',
          received_ms: 1_764_000_000_000,
        } as const
        const whole = { header: undefined, lines: bytes, take: [], duplicates: 0, dead: 'it cannot be read' } as const
        const good = { header, lines: bytes, take: [[0, lines.length]], duplicates: 0, dead: undefined } as const
        const claim = form === 'claim' ? { claim: header } : {}
        attempt.add((form === 'good' ? { ...about, ...good } : { ...about, ...whole, ...claim }) satisfies EncoderBatch)
      })
      const { files } = await openEventEncoding()(attempt, { log_id: 'log', promoted: [], erased: new Map() })
      for (const { bytes } of files) {
        const path = join(folder, 'one.parquet')
        await writeFile(path, bytes)
        const columns = EVENTS_SORT.join(', ')
        const stored = await rowsOf(duckdb.connection, `SELECT ${columns} FROM read_parquet('${path}')`)
        const sorted = await rowsOf(
          duckdb.connection,
          `SELECT ${columns} FROM read_parquet('${path}') ORDER BY ${columns}`,
        )
        expect(stored).toEqual(sorted)
      }
      expect(EVENTS_COLUMNS.map(({ name }) => name)).toEqual(expect.arrayContaining([...EVENTS_SORT]))
    }),
    { numRuns: 60 },
  )
})
