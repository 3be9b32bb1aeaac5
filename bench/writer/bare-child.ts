/** bench/bare/writer.sql in a process of its own. */
import { readFileSync } from 'node:fs'
import { openDuckDb } from '../../lake/duckdb.ts'
import { timed } from '../child.ts'
import { bareTask, MEMORY_LIMIT, THREADS } from './measured.ts'

const { lines, batches, out, temp } = bareTask.parse(JSON.parse(process.argv[2] ?? ''))
const text = readFileSync(new URL('../bare/writer.sql', import.meta.url), 'utf8')
  .replaceAll('{lines}', lines)
  .replaceAll('{batches}', batches)
  .replaceAll('{out}', out)
await using database = await openDuckDb({ threads: THREADS, memory_limit: MEMORY_LIMIT, temp_folder: temp })
await database.connection.run('SET preserve_insertion_order = false')
const measured = await timed(async () => {
  for (const statement of text.split(/;\s*\n/).filter((part) => part.trim() !== '')) {
    await database.connection.run(statement)
  }
})
process.stdout.write(JSON.stringify(measured))
