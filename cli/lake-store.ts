import { join } from 'node:path'
import type { FileCacheOptions } from '../lake/file-cache.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import { LAKE_PATH } from '../lake/lake.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { openS3Store } from '../lake/s3-store.ts'
import { probeStore } from '../lake/store-probe.ts'
import type { CliContext } from './context.ts'
import { makeFolder } from './state-file.ts'

type StoreContext = Pick<CliContext, 'home' | 'config' | 'clock' | 'random'>

/** The store of the lake that is configured: S3, or a folder of the state folder. */
export function lakeStore({ home, config, clock, random }: StoreContext): ObjectStore {
  const { lake, s3 } = config
  if (lake.url === '') return openFolderStore(join(home, 'lake'))
  const [bucket = '', ...prefix] = lake.url.slice('s3://'.length).split('/')
  return openS3Store({
    ...{ bucket, prefix: prefix.join('/'), region: s3.region, path_style: s3.path_style, clock, random },
    endpoint: s3.endpoint || undefined,
    sse: s3.sse || undefined,
    kms_key: s3.kms_key || undefined,
  })
}

/**
 * The same for a lake that may have to be made: its folder is made, and a bucket without a lake is tried out first.
 * Raises `invalid` for a bucket that does not keep writers apart.
 */
export async function newLakeStore(context: StoreContext): Promise<ObjectStore> {
  const store = lakeStore(context)
  if (context.config.lake.url === '') makeFolder(join(context.home, 'lake'))
  else if (!(await store.head(LAKE_PATH))) await probeStore(store, context)
  return store
}

/** Where copies of data files of a lake in S3 are kept: one place for all processes of this state folder. */
export function lakeCache({ home, config }: Pick<CliContext, 'home' | 'config'>): FileCacheOptions {
  return { folder: join(home, 'cache'), max_bytes: config.lake.cache_mb * 1e6 }
}
