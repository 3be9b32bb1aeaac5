/** A process that uses a cache as fast as it can: `lake folder, cache folder, rounds, seed`. It says each round. */
import { readFile } from 'node:fs/promises'
import { machineClock } from '../../cli/machine.ts'
import { seededRandom } from '../../contract/clock.ts'
import { openFileCache } from '../file-cache.ts'
import { openFolderStore } from '../folder-store.ts'
import { openHookedStore } from './hooked-store.ts'

export const CHILD_FILES = 20
export const CHILD_BYTES = 50_000
const HELD = 3

/** The content of each file is a function of its number. */
export function contentOf(index: number): Buffer {
  const body = Buffer.from(seededRandom(index + 1).bytes(CHILD_BYTES))
  body.write('PAR1', 0)
  body.write('PAR1', CHILD_BYTES - 4)
  return body
}

if (import.meta.main) {
  const [lake = '', folder = '', rounds = '', seed = ''] = process.argv.slice(2)
  const random = seededRandom(Number(seed))
  const store = openHookedStore(openFolderStore(lake), {})
  await using cache = await openFileCache(store, { folder, max_bytes: 5 * CHILD_BYTES, clock: machineClock })
  for (let round = 0; round < Number(rounds); round++) {
    const chosen = Array.from({ length: HELD }, () => Math.floor(random.float() * CHILD_FILES))
    await using held = await cache.hold(chosen.map((index) => ({ path: `t/${index}`, size_bytes: CHILD_BYTES })))
    for (const [i, index] of chosen.entries()) {
      const found = await readFile(held.paths[i] ?? '')
      if (!found.equals(contentOf(index))) throw new Error(`file ${index} is not itself`)
    }
    process.stdout.write(`${round}\n`)
  }
}
