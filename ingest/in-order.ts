/**
 * Each item with what `work` makes of it, in the order of the items; up to `count` are under way at once. Rejects with
 * the first failure in that order. Whoever leaves early leaves those under way to end by themselves.
 */
export async function* inOrder<Item, Made>(
  items: readonly Item[],
  count: number,
  work: (item: Item) => Promise<Made>,
): AsyncGenerator<readonly [Item, Made]> {
  const underWay: Promise<Made>[] = []
  let next = 0
  for (const item of items) {
    while (next < items.length && underWay.length < count) {
      const made = work(items[next++] as Item)
      // Told when its turn comes.
      made.catch(() => undefined)
      underWay.push(made)
    }
    yield [item, (await underWay.shift()) as Made]
  }
}
