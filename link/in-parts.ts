/**
 * Does `act` for all of a changing set, `part` of them a turn of the event loop and the first ones at once: so a large set
 * keeps nobody waiting. Returns what asks for it; asked while it is under way, all have their turn once more after it.
 */
export function inParts<T>(
  { all, part }: { readonly all: () => Iterable<T>; readonly part: number },
  act: (one: T) => void,
): () => void {
  let isUnderWay = false
  let again = false

  function turn(round: Iterator<T>): void {
    for (let i = 0; i < part; i++) {
      // Set and Map hand out what came since, and nothing that went.
      const next = round.next()
      if (next.done) {
        isUnderWay = false
        if (again) begin()
        return
      }
      act(next.value)
    }
    setImmediate(turn, round)
  }

  function begin(): void {
    again = false
    isUnderWay = true
    turn(all()[Symbol.iterator]())
  }

  return () => {
    if (isUnderWay) again = true
    else begin()
  }
}
