import { readFileSync } from 'node:fs'
import { machineClock } from '../../cli/machine.ts'
import { openDuckDb } from '../../lake/duckdb.ts'

/** Runs bench/bare/writer.sql in a process of its own: lines, batches, out, threads, memory. Prints the ms that it took. */
const [lines = '', batches = '', out = '', threads = '2', memory_limit = '2GB', temp_folder = ''] =
  process.argv.slice(2)
const text = readFileSync(new URL('../bare/writer.sql', import.meta.url), 'utf8')
  .replaceAll('{lines}', lines)
  .replaceAll('{batches}', batches)
  .replaceAll('{out}', out)
await using database = await openDuckDb({ threads: Number(threads), memory_limit, temp_folder })
await database.connection.run('SET preserve_insertion_order = false')
const start = machineClock.monotonic()
for (const statement of text.split(/;\s*\n/).filter((part) => part.trim() !== ''))
  await database.connection.run(statement)
process.stdout.write(`${JSON.stringify({ ms: machineClock.monotonic() - start })}\n`)
