import { settle } from './clock.ts'

type Entry = { readonly at_ms: number; readonly order: number; readonly callback: () => void; cancelled: boolean }

/** Simulated time: what is due runs in order of time, then of arrival, and everything that it set off runs before the next. */
export class Scheduler {
  now_ms = 0
  #heap: Entry[] = []
  #order = 0

  /** Returns what cancels it. */
  after(delay_ms: number, callback: () => void): () => void {
    const entry = { at_ms: this.now_ms + Math.max(0, delay_ms), order: this.#order++, callback, cancelled: false }
    this.#push(entry)
    return () => {
      entry.cancelled = true
    }
  }

  /** Runs what is due until `end_ms`, or until `done` says so between two events. */
  async run(end_ms: number, done: () => boolean = () => false): Promise<void> {
    await settle()
    for (let next = this.#heap[0]; next && next.at_ms <= end_ms && !done(); next = this.#heap[0]) {
      this.#pop()
      if (next.cancelled) continue
      this.now_ms = next.at_ms
      next.callback()
      await settle()
    }
    if (!done()) this.now_ms = Math.max(this.now_ms, end_ms)
  }

  #push(entry: Entry) {
    const heap = this.#heap
    heap.push(entry)
    for (let i = heap.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1
      if (!this.#swapIfBefore(i, parent)) return
      i = parent
    }
  }

  #pop() {
    const heap = this.#heap
    const last = heap.pop()
    if (!last || heap.length === 0) return
    heap[0] = last
    for (let i = 0; ; ) {
      const left = 2 * i + 1
      const right = left + 1
      let first = i
      if (this.#before(left, first)) first = left
      if (this.#before(right, first)) first = right
      if (first === i) return
      this.#swapIfBefore(first, i)
      i = first
    }
  }

  #before(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a], this.#heap[b]]
    return x !== undefined && y !== undefined && (x.at_ms < y.at_ms || (x.at_ms === y.at_ms && x.order < y.order))
  }

  #swapIfBefore(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a], this.#heap[b]]
    if (!x || !y || !this.#before(a, b)) return false
    this.#heap[a] = y
    this.#heap[b] = x
    return true
  }
}
