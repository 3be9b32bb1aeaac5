import { z } from 'zod'
import { eventsCrc } from '../contract/batch.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import type { ObjectMeta, ObjectStore } from '../lake/object-store.ts'
import { putOnce } from '../lake/put-once.ts'
import type { Table } from '../lake/table.ts'
import { HourVersions } from './hour-versions.ts'
import { FOLD_VERSIONS, HISTORY_MAX_MS, HOUR_MS } from './limits.ts'
import { fold, nothingTouched, type Touched, unitKey, Validity } from './touched.ts'

/** What versions touched, as objects `_hearth/touched/<table>/<version>`: it outlives the log entries that told it. */
const FORM_VERSION = 1

const whole = z.number().int()
const head = z.object({ hearth_touched: whole, table: z.string(), version: whole, crc: z.string() })
const pairs = z.array(z.tuple([z.string(), whole]))
const body = z.object({
  hours: pairs,
  issued: pairs,
  receipts: pairs,
  /** from_ms, bucket, version */
  validity: z.array(z.tuple([whole, whole, whole])),
})

const folderOf = (table: string) => `_hearth/touched/${table}`

/**
 * Brings `touched` to the newest version of its table: from the newest fold, once, and from what the log tells after it.
 * Every FOLD_VERSIONS versions it leaves a fold behind. Raises `corrupt` when neither folds nor log reach.
 */
export async function catchUp(touched: Touched, table: Table, store: ObjectStore): Promise<void> {
  if (touched.version < 0) await takeFold(touched, table, store)
  try {
    await follow(touched, table)
  } catch (error) {
    if (!isProblem(error, 'missing')) throw error
    // Clean-up passed this process while it slept; it never passes what is not folded.
    if (!(await takeFold(touched, table, store))) throw unknowable(touched, table, error)
    await follow(touched, table)
  }
  if (touched.version - touched.folded >= FOLD_VERSIONS) await putFold(touched, table, store)
}

/** Folds everything that `table` has done so far, for others to begin with. Returns the version that this reaches. */
export async function foldTouched(table: Table, store: ObjectStore): Promise<number> {
  const touched = nothingTouched()
  await catchUp(touched, table, store)
  if (touched.version > touched.folded) await putFold(touched, table, store)
  return touched.folded
}

async function follow(touched: Touched, table: Table): Promise<void> {
  for await (const version of table.history(touched.version + 1)) {
    fold(touched, version)
    touched.version = version.version
  }
}

/** Takes over the newest good fold that is of a later version than `touched` is; false when there is none. */
async function takeFold(touched: Touched, table: Table, store: ObjectStore): Promise<boolean> {
  for (const { path } of (await foldsOf(table, store)).toReversed()) {
    const version = versionOf(path)
    if (version <= touched.version) return false
    try {
      Object.assign(touched, decodeFold(table.name, version, await store.get(path)))
      return true
    } catch (error) {
      // A damaged one, or one that has just been removed, is passed over: an older one and the log say the same.
      if (!isProblem(error, 'corrupt', 'missing')) throw error
    }
  }
  return false
}

/**
 * One of the same version that is there already is as good. The newest two are kept. What is long ago is told by the store's
 * own time of the fold before: what hubs and gateways say of theirs may be years ahead, and the present is not to be left out.
 */
async function putFold(touched: Touched, table: Table, store: ObjectStore): Promise<void> {
  const path = `${folderOf(table.name)}/${String(touched.version).padStart(20, '0')}`
  const before = await foldsOf(table, store)
  await putOnce(store, path, encodeFold(table.name, touched, before.at(-1)?.modified_ms ?? 0))
  touched.folded = touched.version
  for (const older of (await foldsOf(table, store)).slice(0, -2)) await store.delete(older.path)
}

async function foldsOf(table: Table, store: ObjectStore): Promise<ObjectMeta[]> {
  const folds: ObjectMeta[] = []
  for await (const fold of store.list(`${folderOf(table.name)}/`)) folds.push(fold)
  return folds
}

function versionOf(path: string): number {
  return Number(path.slice(path.lastIndexOf('/') + 1))
}

/** Hours that no metric is made of any more are left out. */
function encodeFold(table: string, touched: Touched, now_ms: number): Uint8Array {
  const from_ms = now_ms - HISTORY_MAX_MS - 24 * HOUR_MS
  const pairsOf = (versions: HourVersions) =>
    [...versions.entries()]
      .filter(([hour_ms]) => hour_ms >= from_ms)
      .map(([hour_ms, bucket, version]) => [unitKey(hour_ms, bucket), version] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1))
  const { version, validity } = touched
  const text = JSON.stringify({
    hours: pairsOf(touched.hours),
    issued: pairsOf(touched.issued),
    receipts: pairsOf(touched.receipts),
    validity: validity.rows.map((one) => [one.from_ms, one.bucket, one.version]),
  })
  const line = JSON.stringify({ hearth_touched: FORM_VERSION, table, version, crc: eventsCrc(text) })
  return Buffer.from(`${line}\n${text}`)
}

/** Raises `corrupt` for a newer form, another name or a wrong checksum. */
function decodeFold(table: string, version: number, bytes: Uint8Array): Touched {
  const text = Buffer.from(bytes).toString('utf8')
  const end = text.indexOf('\n') + 1
  const bad = (what: string, cause?: unknown) =>
    new Problem('corrupt', `what ${table} had touched up to version ${version} ${what}`, { cause })
  try {
    const found = head.parse(JSON.parse(text.slice(0, end)))
    if (found.hearth_touched > FORM_VERSION) {
      throw bad(`is of form ${found.hearth_touched}; this Hearth reads up to ${FORM_VERSION}: use a newer Hearth`)
    }
    if (found.table !== table || found.version !== version) throw bad(`is that of ${found.table} ${found.version}`)
    if (eventsCrc(text.slice(end)) !== found.crc) throw bad('does not match its checksum')
    const { hours, issued, receipts, validity } = body.parse(JSON.parse(text.slice(end)))
    return {
      ...{ version, folded: version },
      ...{ hours: versionsOf(hours), issued: versionsOf(issued), receipts: versionsOf(receipts) },
      validity: validityOf(validity),
    }
  } catch (error) {
    if (error instanceof Problem) throw error
    throw bad(`cannot be read: ${messageOf(error)}`, error)
  }
}

function versionsOf(list: z.infer<typeof pairs>): HourVersions {
  const versions = new HourVersions()
  for (const [key, version] of list) {
    const [hour_ms, bucket] = key.split('/')
    versions.set(Number(hour_ms), Number(bucket), version)
  }
  return versions
}

function validityOf(list: z.infer<typeof body>['validity']): Validity {
  const validity = new Validity()
  for (const [from_ms, bucket, version] of list) validity.add({ from_ms, bucket, version })
  return validity
}

function unknowable(touched: Touched, table: Table, cause: unknown): Problem {
  return new Problem(
    'corrupt',
    `which hours commits of ${table.name} touched after version ${touched.version} cannot be known: its log no longer tells (${messageOf(cause)}), and there is no good fold in ${folderOf(table.name)}. Restore either from a backup`,
    { cause },
  )
}
