import { isProblem, messageOf, Problem } from '../contract/problem.ts'

/** What DuckDB says of a text that is wrong, whatever machine it runs on. */
const OF_THE_TEXT = /^(Binder|Catalog|Conversion|Out of Range|Parser) Error: /

/** Runs a part of a metric. Raises `invalid`, naming the part, for what is wrong with its text; else what `work` raises. */
export async function asPart<T>(metric: string, part: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const said = messageOf(error)
    if (isProblem(error) || !OF_THE_TEXT.test(said)) throw error
    throw new Problem('invalid', `${metric}: its ${part}: ${said.replaceAll(/\n\s*\n/g, '\n')}`, { cause: error })
  }
}
