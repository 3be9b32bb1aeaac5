import { type Clock, type Random, randomHex } from '../contract/clock.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import type { ObjectStore } from './object-store.ts'

/**
 * Tries out what every commit rests on: of two puts that must be absent the second is refused. Tells how far the
 * store's clock is ahead of this machine's, about. What is put is removed again. Raises `invalid` for a store that
 * does not refuse, and what the store raises.
 */
export async function probeStore(
  store: ObjectStore,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<{ readonly ahead_ms: number }> {
  const path = `_hearth/probe/${randomHex(random, 8)}`
  const body = Buffer.from('hearth tries whether a second put of this is refused\n')
  await store.put(path, body, { ifAbsent: true })
  const now_ms = clock.now()
  try {
    const found = await store.head(path)
    if (await isRefused(store.put(path, body, { ifAbsent: true })))
      return { ahead_ms: (found?.modified_ms ?? now_ms) - now_ms }
  } finally {
    await store.delete(path)
  }
  throw new Problem(
    'invalid',
    `${store.url} overwrites objects that were to be put only if absent (If-None-Match: *): two writers would take each other's commits away. Use a server that refuses, see docs/s3.md`,
  )
}

async function isRefused(put: Promise<void>): Promise<boolean> {
  try {
    await put
    return false
  } catch (error) {
    if (isProblem(error, 'conflict')) return true
    throw error
  }
}
