/**
 * Does `act` for each of a changing set once in so many steps, a few at a step: done for all at once it would keep the
 * event loop from everybody. Returns a step.
 */
export function inTurn<T>(
  { all, count, steps }: { readonly all: () => Iterable<T>; readonly count: () => number; readonly steps: number },
  act: (one: T) => void,
): () => void {
  let round = all()[Symbol.iterator]()
  let due = 0
  return () => {
    // Set and Map hand out what came since, and nothing that went.
    for (due += count(); due >= steps; due -= steps) {
      let next = round.next()
      if (next.done) {
        round = all()[Symbol.iterator]()
        next = round.next()
      }
      if (!next.done) act(next.value)
    }
  }
}
