import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Layout } from '../contract/bucket.ts'
import { type Random, randomHex } from '../contract/clock.ts'
import { assert, isProblem, messageOf, Problem } from '../contract/problem.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { putOnce } from '../lake/put-once.ts'
import type { Table } from '../lake/table.ts'
import { ADDITIONS_INLINE_MAX_BYTES } from './limits.ts'
import { type Addition, applyAdditions, type Ranges, type StreamRanges } from './ranges.ts'
import {
  additionRows,
  decodeRanges,
  encodeRanges,
  formatAddition,
  parseAddition,
  RANGES_VERSION,
} from './ranges-form.ts'

/** Of one bucket: as of a version of the events table, and the version of the newest snapshot object. */
export type LoadedRanges = { readonly ranges: Map<string, StreamRanges>; readonly snapshot_version: number }

const commitForm = z.object({
  version: z.number().int(),
  epoch: z.number().int(),
  /** By bucket: the additions themselves, or the object that holds them. */
  buckets: z.record(z.string(), z.union([additionRows, z.object({ object: z.string() })])),
})
const infoForm = z.looseObject({ ranges: commitForm.optional() })
export const RANGES_KEY_PATH = '_hearth/ranges-key.json'
const keyForm = z.object({ hearth_ranges_key: z.literal(1), key: z.string().regex(/^[0-9a-f]{64}$/) })

/** The key that names of sources in this lake's ranges are made with; minted once. */
export async function rangesKey(store: ObjectStore, random: Random): Promise<Uint8Array> {
  let lost: Problem | undefined
  try {
    const body = Buffer.from(`${JSON.stringify({ hearth_ranges_key: 1, key: randomHex(random, 32) })}\n`)
    if (!(await store.head(RANGES_KEY_PATH))) await store.put(RANGES_KEY_PATH, body, { ifAbsent: true })
  } catch (error) {
    if (!isProblem(error)) throw error
    if (error.outcome === 'unknown') lost = error
    else if (error.kind !== 'conflict') throw error
  }
  const bytes = await store.get(RANGES_KEY_PATH).catch((error: unknown) => {
    throw lost ?? error
  })
  const parsed = keyForm.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')))
  if (!parsed.success) throw new Problem('corrupt', `${RANGES_KEY_PATH} is not a key of ranges that this Hearth knows`)
  return Buffer.from(parsed.data.key, 'hex')
}

/** `commitInfo.hearth.ranges` of a commit; what is too long for the log entry goes up as an object first. */
export async function commitRanges(
  store: ObjectStore,
  epoch: number,
  additions: ReadonlyMap<number, readonly Addition[]>,
): Promise<z.input<typeof commitForm>> {
  const buckets: z.input<typeof commitForm>['buckets'] = {}
  for (const [bucket, list] of additions) {
    const rows = list.map(formatAddition)
    const text = JSON.stringify(rows)
    if (text.length * additions.size <= ADDITIONS_INLINE_MAX_BYTES) {
      buckets[bucket] = rows
      continue
    }
    const object = createHash('sha256').update(text).digest('hex')
    await putOnce(store, additionPath(object), Buffer.from(text))
    buckets[bucket] = { object }
  }
  return { version: RANGES_VERSION, epoch, buckets }
}

/** Paths of the objects that hold what a commit added to ranges. */
export function additionObjects(info: unknown): readonly string[] {
  const buckets = Object.values(infoForm.safeParse(info ?? {}).data?.ranges?.buckets ?? {})
  return buckets.flatMap((entry) => (Array.isArray(entry) ? [] : [additionPath(entry.object)]))
}

function additionPath(object: string): string {
  return `_hearth/additions/${object}`
}

async function readAdditions(
  store: ObjectStore,
  info: unknown,
  epoch: number,
): Promise<ReadonlyMap<number, readonly Addition[]>> {
  const parsed = infoForm.safeParse(info)
  if (!parsed.success) {
    const advice = 'restore events/_delta_log/ from a backup: without them nobody knows what was received'
    throw new Problem('corrupt', `the ranges in a commit cannot be read: ${z.prettifyError(parsed.error)}. ${advice}`)
  }
  const found = parsed.data.ranges
  const result = new Map<number, readonly Addition[]>()
  if (!found || found.epoch !== epoch) return result
  if (found.version > RANGES_VERSION) {
    throw new Problem(
      'corrupt',
      `a commit's ranges are of form ${found.version}; this Hearth reads up to ${RANGES_VERSION}: use a newer Hearth`,
    )
  }
  for (const [bucket, entry] of Object.entries(found.buckets)) {
    const rows = Array.isArray(entry) ? entry : await readObject(store, entry.object)
    result.set(Number(bucket), rows.map(parseAddition))
  }
  return result
}

async function readObject(store: ObjectStore, object: string): Promise<z.infer<typeof additionRows>> {
  const bytes = await store.get(additionPath(object))
  if (createHash('sha256').update(bytes).digest('hex') !== object) {
    throw new Problem('corrupt', `${additionPath(object)} does not match its name: restore it from a backup`)
  }
  return additionRows.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
}

/** Where the snapshots of a bucket's ranges lie. */
export function rangesFolder(layout: Layout, bucket: number): string {
  return `_hearth/ranges/${layout.epoch}/${bucket}`
}

/**
 * The ranges of `buckets` as of `version` of the events table: the newest good snapshot of each, and the additions of
 * the commits after it. Raises `unavailable` when the log was cleaned up past `version` or meanwhile: a newer version can
 * be known; `corrupt` when there is no way to know them: nothing ever begins with empty ranges on a table that has data.
 */
export async function loadRanges(
  options: { readonly store: ObjectStore; readonly table: Table; readonly layout: Layout },
  buckets: readonly number[],
  version: number,
): Promise<ReadonlyMap<number, LoadedRanges>> {
  const { store, table, layout } = options
  const loaded = new Map<number, LoadedRanges>()
  for (const bucket of buckets) loaded.set(bucket, await newestSnapshot(store, layout, bucket, version))
  const oldest = Math.min(...[...loaded.values()].map((one) => one.snapshot_version))
  try {
    for await (const commit of table.history(oldest + 1)) {
      if (commit.version > version) break
      for (const [bucket, additions] of await readAdditions(store, commit.info, layout.epoch)) {
        const one = loaded.get(bucket)
        if (!one || commit.version <= one.snapshot_version) continue
        for (const [key, stream] of applyAdditions((key) => one.ranges.get(key), additions)) one.ranges.set(key, stream)
      }
    }
  } catch (error) {
    if (!isProblem(error, 'missing')) throw error
    // Clean-up keeps a snapshot of every bucket before it deletes anything.
    const newest = await Promise.all(buckets.map((bucket) => newestSnapshot(store, layout, bucket)))
    if (Math.min(...newest.map((one) => one.snapshot_version)) > oldest) {
      throw new Problem(
        'unavailable',
        `the log was cleaned up past what the ranges as of version ${version} need: ask for those of the newest version`,
        { cause: error },
      )
    }
    throw new Problem(
      'corrupt',
      `what was received cannot be known: the newest good snapshot of ranges is of version ${oldest}, and the log no longer has what came after it (${messageOf(error)}). Restore _hearth/ranges/ or the log from a backup`,
      { cause: error },
    )
  }
  return loaded
}

async function newestSnapshot(
  store: ObjectStore,
  layout: Layout,
  bucket: number,
  version = Number.POSITIVE_INFINITY,
): Promise<LoadedRanges> {
  const names: string[] = []
  for await (const { path } of store.list(`${rangesFolder(layout, bucket)}/`)) names.push(path)
  for (const path of names.toReversed()) {
    const at = Number(path.slice(path.lastIndexOf('/') + 1))
    if (!Number.isInteger(at) || at > version) continue
    try {
      const ranges = decodeRanges({ epoch: layout.epoch, bucket, version: at }, await store.get(path))
      return { ranges: new Map(ranges), snapshot_version: at }
    } catch (error) {
      // A damaged one is passed over: an older one and the log say the same.
      if (!isProblem(error, 'corrupt')) throw error
    }
  }
  return { ranges: new Map(), snapshot_version: -1 }
}

/** Puts a snapshot of a bucket's ranges as of a version of the events table. */
export async function putRanges(
  store: ObjectStore,
  layout: Layout,
  bucket: number,
  version: number,
  ranges: Ranges,
): Promise<void> {
  assert(version >= 0, `a version is not negative; found ${version}`)
  const body = encodeRanges({ epoch: layout.epoch, bucket, version }, ranges)
  await putOnce(store, `${rangesFolder(layout, bucket)}/${String(version).padStart(20, '0')}`, body)
}
