import { existsSync, globSync } from 'node:fs'
import { aptInstall } from './apt.ts'

/** Path of the library that gives a process another clock (LD_PRELOAD, with FAKETIME); throws saying what is missing. */
export async function fakeTimeLibrary(): Promise<string> {
  const find = () => globSync('/usr/lib/*/faketime/libfaketime.so.1').find((path) => existsSync(path))
  await aptInstall(() => (find() ? [] : ['libfaketime']))
  const found = find()
  if (found) return found
  throw new Error('no libfaketime: install the package libfaketime (Debian)')
}
