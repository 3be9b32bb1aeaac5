import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { FileCacheOptions } from '../lake/file-cache.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import { LAKE_PATH } from '../lake/lake.ts'
import { refuseNesting } from '../lake/nesting.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { openS3Store } from '../lake/s3-store.ts'
import { probeStore } from '../lake/store-probe.ts'
import { makeFolder } from '../link/folder.ts'
import type { CliContext } from './context.ts'

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
 * The same for a lake that may have to be made: its folder is made, and a place without a lake is tried out first. Raises
 * `invalid` for a bucket that does not keep writers apart, and `conflict` inside of another lake or around one.
 */
export async function newLakeStore(context: StoreContext): Promise<ObjectStore> {
  const store = lakeStore(context)
  const isFolder = context.config.lake.url === ''
  if (isFolder) makeFolder(join(context.home, 'lake'))
  if (await store.head(LAKE_PATH)) return store
  if (!isFolder) await probeStore(store, context)
  await refuseNesting(store, placesAround(context))
  return store
}

/** The stores of every place above the lake's. */
function placesAround(context: StoreContext): readonly ObjectStore[] {
  const { home, config } = context
  const { url } = config.lake
  const parts = url === '' ? resolve(home).split('/') : url.slice('s3://'.length).split('/').slice(0, -1)
  const above = parts.map((_, i) => parts.slice(0, i + 1).join('/'))
  if (url === '')
    return above
      .filter((place) => existsSync(join('/', place, LAKE_PATH)))
      .map((place) => openFolderStore(join('/', place)))
  const at = (place: string) => lakeStore({ ...context, config: { ...config, lake: { ...config.lake, url: place } } })
  return above.map((place) => at(`s3://${place}`))
}

/** Where copies of data files of a lake in S3 are kept: one place for all processes of this state folder. */
export function lakeCache({ home, config }: Pick<CliContext, 'home' | 'config'>): FileCacheOptions {
  return { folder: join(home, 'cache'), max_bytes: config.lake.cache_mb * 1e6 }
}
