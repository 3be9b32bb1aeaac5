import { assert } from '../contract/problem.ts'

/**
 * Texts by number: each different one is kept once, as bytes, under a small number. Columns of such numbers are sorted,
 * compared and encoded without looking at a text again. Number 0 stands for no text at all.
 */
export type Words = {
  /** Id of the bytes [from, to) of `source`, whose hash is `hash`. */
  intern(source: Uint8Array, from: number, to: number, hash: number): number
  /** Id of a text. */
  of(text: string): number
  text(id: number): string
  /** As they are now: good until the next one is added. */
  list(): WordList
  /** Where the hash of a text begins. */
  start(): number
  /** Forgets all of them. */
  clear(seed: number): void
}

/** All texts, one after the other: that of `id` is at [starts[id], starts[id + 1]) of `bytes`. Ids are 1 to `count` - 1. */
export type WordList = { readonly bytes: Uint8Array; readonly starts: Uint32Array; readonly count: number }

/**
 * FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv): `hash = Math.imul(hash ^ byte, HASH_PRIME)` for each byte,
 * from `start()`. Whoever walks over the bytes anyway does that meanwhile.
 */
export const HASH_PRIME = 0x01000193
const HASH_START = 0x811c9dc5

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** `seed` by chance where texts come from strangers: with a known one they could send thousands that share one hash. */
export function openWords(seed = 0): Words {
  let start = HASH_START ^ seed
  let bytes: Uint8Array = new Uint8Array(1 << 16)
  let starts = new Uint32Array(1 << 12)
  let hashes = new Int32Array(1 << 12)
  /** Ids by hash, open addressing, at most half full; 0 is free. */
  let table = new Uint32Array(1 << 13)
  let count = 1
  let used = 0

  function intern(source: Uint8Array, from: number, to: number, hash: number): number {
    const length = to - from
    const mask = table.length - 1
    // The high bits of a product depend on all bytes, the low ones of FNV on few.
    let slot = (hash ^ (hash >>> 15)) & mask
    for (let id = table[slot] as number; id !== 0; id = table[slot] as number) {
      if (hashes[id] === hash) {
        const start = starts[id] as number
        if ((starts[id + 1] as number) - start === length) {
          let i = 0
          while (i < length && bytes[start + i] === source[from + i]) i++
          if (i === length) return id
        }
      }
      slot = (slot + 1) & mask
    }
    return add(source, from, to, hash, slot)
  }

  function add(source: Uint8Array, from: number, to: number, hash: number, slot: number): number {
    const length = to - from
    if (used + length > bytes.length) bytes = grown(bytes, used + length)
    if (count + 2 > starts.length) {
      starts = grown(starts, count + 2)
      hashes = grown(hashes, count + 2)
    }
    if (length < 32) for (let i = 0; i < length; i++) bytes[used + i] = source[from + i] as number
    else bytes.set(source.subarray(from, to), used)
    const id = count++
    starts[id] = used
    used += length
    starts[id + 1] = used
    hashes[id] = hash
    table[slot] = id
    if (count * 2 > table.length) rehash()
    return id
  }

  function rehash(): void {
    table = new Uint32Array(table.length * 2)
    const mask = table.length - 1
    for (let id = 1; id < count; id++) {
      const hash = hashes[id] as number
      let slot = (hash ^ (hash >>> 15)) & mask
      while (table[slot] !== 0) slot = (slot + 1) & mask
      table[slot] = id
    }
  }

  return {
    intern,
    of(text) {
      const source = Buffer.from(text, 'utf8')
      let hash = start
      for (const byte of source) hash = Math.imul(hash ^ byte, HASH_PRIME)
      return intern(source, 0, source.length, hash)
    },
    text(id) {
      assert(id > 0 && id < count, `a word of this list, found ${id}`)
      return decoder.decode(bytes.subarray(starts[id], starts[id + 1]))
    },
    list: () => ({ bytes, starts, count }),
    start: () => start,
    clear(next) {
      start = HASH_START ^ next
      table.fill(0)
      count = 1
      used = 0
      starts[1] = 0
    },
  }
}

/** The same numbers in an array of at least `length`, doubled. */
export function grown<T extends Uint8Array | Uint32Array | Int32Array | Float64Array>(array: T, length: number): T {
  const larger = new (array.constructor as new (size: number) => T)(Math.max(length, array.length * 2))
  larger.set(array)
  return larger
}

/** By their bytes, as Parquet and Delta order texts. */
export function compareWords({ bytes, starts }: WordList, a: number, b: number): number {
  let i = starts[a] as number
  let j = starts[b] as number
  const endA = starts[a + 1] as number
  const endB = starts[b + 1] as number
  while (i < endA && j < endB) {
    const difference = (bytes[i] as number) - (bytes[j] as number)
    if (difference !== 0) return difference
    i++
    j++
  }
  return endA - i - (endB - j)
}
