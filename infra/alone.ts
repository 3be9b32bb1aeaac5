import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'

const CACHE = join(import.meta.dirname, '../.cache')
const LOOK_MS = 200

/**
 * Does `work` while no other process of this checkout does work of that name: two test files would fill one folder of
 * `.cache/`, or ask for packages, at once. A lock whose process is gone is nobody's.
 */
export async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  const lock = join(CACHE, `${name}.lock`)
  const mine = join(CACHE, `${name}.lock-${process.pid}-${next++}`)
  await mkdir(mine, { recursive: true })
  await writeFile(join(mine, 'pid'), String(process.pid))
  try {
    while (!(await isMoved(mine, lock))) {
      if (await isAbandoned(lock)) await rm(lock, { recursive: true, force: true })
      else await after(LOOK_MS)
    }
  } finally {
    await rm(mine, { recursive: true, force: true })
  }
  try {
    return await work()
  } finally {
    await rm(lock, { recursive: true, force: true })
  }
}

let next = 0

/** A folder takes no place that another has which is not empty. */
function isMoved(from: string, to: string): Promise<boolean> {
  return rename(from, to).then(
    () => true,
    () => false,
  )
}

async function isAbandoned(lock: string): Promise<boolean> {
  try {
    process.kill(Number(await readFile(join(lock, 'pid'), 'utf8')), 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}
