import { compareWords, type WordList } from '../lake/words.ts'
import type { EventAttempt } from './event-attempt.ts'
import { isTransport } from './event-rows.ts'

/**
 * Puts rows of an attempt into the order of the events table, in place: kind, hub, device (none comes last), number. By
 * counting: a stable pass for each column from the last to the first, over the ranks of the words in it.
 */
export function openEventOrder({ rows: all, values }: EventAttempt, words: WordList): (rows: Uint32Array) => void {
  const { batch, ordinal, kind, device, hub } = all.columns()
  /** By row: the order is `EVENTS_SORT`. */
  const hubs = new Uint32Array(all.count())
  const numbers = new Float64Array(all.count())
  for (let row = 0; row < all.count(); row++) {
    const of = values[batch[row] as number]
    if (!of) continue
    hubs[row] = !of.service ? of.source : isTransport(kind[row] as number) ? 0 : (hub[row] as number)
    // Rows about a whole batch have no number, and none comes last.
    numbers[row] = ordinal[row] === -1 ? Number.POSITIVE_INFINITY : of.first + (ordinal[row] as number)
  }
  const byNumber = (a: number, b: number) =>
    (numbers[a] as number) < (numbers[b] as number) ? -1 : numbers[a] === numbers[b] ? 0 : 1
  const ranks = new Uint32Array(words.count)
  let other = new Uint32Array(0)

  /** A stable pass. */
  function pass(rows: Uint32Array, into: Uint32Array, column: Uint32Array): void {
    const different: number[] = []
    for (let i = 0; i < rows.length; i++) {
      const word = column[rows[i] as number] as number
      if (ranks[word] !== 0) continue
      ranks[word] = 1
      different.push(word)
    }
    different.sort((a, b) => (a === 0 ? 1 : b === 0 ? -1 : compareWords(words, a, b)))
    for (let i = 0; i < different.length; i++) ranks[different[i] as number] = i
    const places = new Uint32Array(different.length + 1)
    for (let i = 0; i < rows.length; i++) {
      const next = (ranks[column[rows[i] as number] as number] as number) + 1
      places[next] = (places[next] as number) + 1
    }
    for (let i = 1; i < places.length; i++) places[i] = (places[i] as number) + (places[i - 1] as number)
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number
      const rank = ranks[column[row] as number] as number
      const place = places[rank] as number
      places[rank] = place + 1
      into[place] = row
    }
    for (const word of different) ranks[word] = 0
  }

  return (rows) => {
    if (other.length < rows.length) other = new Uint32Array(rows.length)
    const into = other.subarray(0, rows.length)
    pass(rows, into, device)
    pass(into, rows, hubs)
    pass(rows, into, kind)
    rows.set(into)
    // Batches mostly come in the order of their numbers: where they did not, a group is sorted by itself.
    let start = 0
    let rises = true
    for (let i = 1; i <= rows.length; i++) {
      const row = rows[i] as number
      const before = rows[i - 1] as number
      const isSame = kind[row] === kind[before] && device[row] === device[before] && hubs[row] === hubs[before]
      if (i < rows.length && isSame) {
        if ((numbers[row] as number) < (numbers[before] as number)) rises = false
        continue
      }
      if (!rises) rows.subarray(start, i).sort(byNumber)
      start = i
      rises = true
    }
  }
}
