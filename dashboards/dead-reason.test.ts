import { afterAll, expect, test } from 'vitest'
import { openDuckDb, rowsOf } from '../lake/duckdb.ts'
import { literal } from '../lake/schema.ts'
import { reasonForm } from './dead-reason.ts'

const duckdb = await openDuckDb({ threads: 1 })
afterAll(() => duckdb[Symbol.asyncDispose]())

test('reasons of one fault have one form, those of others have another', async () => {
  const formOf = async (reason: string) =>
    (await rowsOf(duckdb.connection, `SELECT ${reasonForm(literal(reason))} AS form`))[0]?.['form']
  const crc = "the header's crc is #, but the CRC-#C of the event lines (each with its newline) is #"
  expect(await formOf(crc.replace('#', '00000000').replace('#', '32').replace('#', '4a78dcf4'))).toBe(crc)
  expect(await formOf("the header's next (50) must be at least first + count (51)")).toBe(
    "the header's next (#) must be at least first + count (#)",
  )
  expect(await formOf('kind is missing')).toBe('kind is missing')
})
