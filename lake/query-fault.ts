import { assert, isProblem, messageOf, Problem } from '../contract/problem.ts'
import type { HeldTable } from './local-files.ts'

/** What DuckDB says of a Parquet file whose bytes are not what was written; what its reader stumbles over has no name. */
const DAMAGE =
  /^Invalid Error: |magic bytes|too small to be a Parquet|Footer length error|Failed to read file|Could not read (enough bytes|from file)|bitpacked|might be corrupted|decompression/i

/** What ended a query, as a Problem of whoever asked: `read` is what it read. Pure. */
export function queryFault(error: unknown, read: readonly HeldTable[], signal: AbortSignal | undefined): Problem {
  if (signal?.aborted) return new Problem('closed', 'the query was cancelled', { cause: error })
  if (isProblem(error)) return error
  const message = messageOf(error)
  if (/^Out of Memory/i.test(message)) {
    const text = 'the query needs more memory than it may have: ask for fewer rows, columns or days'
    return new Problem('limit', text, { cause: error })
  }
  const [said = ''] = message.replace(/^[A-Z][A-Za-z ]* Error: /, '').split('\n')
  if (DAMAGE.test(message)) {
    const text = `${filesIn(message, read)} cannot be read: damaged or replaced; restore it from a copy, or ask for other days (${said})`
    return new Problem('corrupt', text, { cause: error })
  }
  if (/^IO Error: No files found/i.test(message)) {
    const text = `${filesIn(message, read)} is no longer there: ask for a newer version of its table, or restore it from a copy`
    return new Problem('missing', text, { cause: error })
  }
  if (/^(INTERNAL|Fatal)/i.test(message)) return new Problem('internal', message, { cause: error })
  if (/^IO Error/i.test(message)) return new Problem('unavailable', message, { cause: error })
  assert(error instanceof Error, 'DuckDB throws errors')
  return new Problem(
    'invalid',
    message.replace(/^(Binder|Catalog|Parser|Conversion|Invalid Input|Not implemented) Error: /i, ''),
    { cause: error },
  )
}

/** The data file that a message names or that alone was read; else of which tables it is one. */
function filesIn(message: string, read: readonly HeldTable[]): string {
  const all = read.flatMap(({ prefix, files }) =>
    files.map(({ add, path }) => ({ path, object: `${prefix}/${add.path}` })),
  )
  const named = all.length === 1 ? all : all.filter(({ path }) => message.includes(path))
  if (named[0]) return `the data file ${named[0].object}`
  return `one of the ${all.length} data files that were read of ${read.map(({ prefix }) => prefix).join(', ')}`
}
