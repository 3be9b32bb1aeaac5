import { join } from 'node:path'
import { Problem } from '../contract/problem.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { CliContext } from './context.ts'
import { makeFolder } from './state-file.ts'

/** The store of the lake that is configured: S3, or a folder of the state folder. */
export function lakeStore({ home, config }: Pick<CliContext, 'home' | 'config'>): ObjectStore {
  if (config.lake.url !== '') throw new Problem('invalid', `lake.url: ${config.lake.url}: this Hearth has no S3 yet`)
  return openFolderStore(join(home, 'lake'))
}

/** The same, with a place to write to made where that is ours to make. */
export function newLakeStore(context: Pick<CliContext, 'home' | 'config'>): ObjectStore {
  if (context.config.lake.url === '') makeFolder(join(context.home, 'lake'))
  return lakeStore(context)
}
