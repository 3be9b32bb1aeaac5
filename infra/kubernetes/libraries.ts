import { execFile } from 'node:child_process'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Copies what programs are linked with, from where this machine has it, to the same places below `root`. */
export async function copyLibraries(root: string, programs: readonly string[]): Promise<void> {
  const { stdout } = await promisify(execFile)('ldd', programs)
  const libraries = new Set([...stdout.matchAll(/(?<=\s)(\/(?:usr\/)?lib\S+) \(0x/g)].map(([, path = '']) => path))
  for (const library of libraries) await cp(library, join(root, library), { dereference: true })
}
