/**
 * Where an outbox keeps what on its disk. Format 2, keys (boots and numbers padded, so that keys sort by them):
 *   outbox/meta                          {version, source, counter}
 *   outbox/boot/BOOT                     {boot, wall, firmware, agent}
 *   outbox/account/BOOT/STREAM           {next, dropped}
 *   outbox/line/BOOT/STREAM/FIRST        lines that were appended together, not yet in a batch
 *   outbox/batch/BOOT/STREAM/FIRST       {count, crc, bytes}
 *   outbox/body/BOOT/STREAM/FIRST        the batch's lines, packed
 * Format 1 had each line under a number of its own, and is read as it was.
 */
import { z } from 'zod'
import { messageOf, Problem } from '../contract/problem.ts'
import { formatBoot } from '../contract/source.ts'
import type { Disk, DiskChange } from './disk.ts'
import { type Account, addOpen, type BootRecord, bootKey, type Held, type Lines, newAccount } from './outbox-account.ts'

export const OUTBOX_FORMAT = 2

const meta = z.object({ version: z.number(), source: z.string(), counter: z.number().int() })
const bootRecord = z.object({
  boot: z.string(),
  wall: z.number(),
  firmware: z.string(),
  agent: z.string(),
}) satisfies z.ZodType<BootRecord>
const accountRecord = z.object({ next: z.number(), dropped: z.array(z.tuple([z.number(), z.number()])) })
const batchRecord = z.object({ count: z.number(), crc: z.string(), bytes: z.number() })

function sequenceKey(seq: number): string {
  return String(seq).padStart(16, '0')
}

const key = {
  meta: 'outbox/meta',
  boot: (boot: string) => `outbox/boot/${bootKey(boot)}`,
  account: ({ path }: Account) => `outbox/account/${path}`,
  of: (what: 'line' | 'batch' | 'body', { path }: Account, seq: number) => `outbox/${what}/${path}/${sequenceKey(seq)}`,
}

/** The events whose lines an entry of the disk keeps; none for any other entry. */
export function linesAt(
  name: string,
  value: Uint8Array,
): readonly { readonly boot: string; readonly stream: string; readonly seq: number; readonly line: string }[] {
  const [, , path = '', stream = ''] = name.startsWith('outbox/line/') ? name.split('/') : []
  if (path === '') return []
  const [generation, counter, random = ''] = path.split('-')
  const boot = formatBoot({ generation: Number(generation), counter: Number(counter), random })
  const first = sequenceOf(name)
  return linesIn(value).map((line, i) => ({ boot, stream, seq: first + i, line }))
}

/** Each ends with a line feed, which is left off here; JSON has none. */
function linesIn(value: Uint8Array): readonly string[] {
  return Buffer.from(value).toString().split('\n').slice(0, -1)
}

export const change = {
  meta: (source: string, counter: number): DiskChange =>
    putJson(key.meta, { version: OUTBOX_FORMAT, source, counter } satisfies z.infer<typeof meta>),
  boot: (record: BootRecord): DiskChange => putJson(key.boot(record.boot), record),
  forgetBoot: (boot: string): DiskChange => ({ delete: key.boot(boot) }),
  account: (account: Account): DiskChange =>
    putJson(key.account(account), { next: account.next, dropped: account.dropped }),
  forgetAccount: (account: Account): DiskChange => ({ delete: key.account(account) }),
  /** Lines under the account's next numbers. */
  append: (account: Account, entries: readonly Lines[]): DiskChange[] =>
    placed(entries, account.next).map(({ first, text }) => ({
      put: key.of('line', account, first),
      value: Buffer.from(text),
    })),
  /** Lines become one batch. */
  seal(account: Account, batch: Held, entries: readonly Lines[], body: Uint8Array): DiskChange[] {
    const changes: DiskChange[] = placed(entries, batch.first).map(({ first }) => ({
      delete: key.of('line', account, first),
    }))
    changes.push(putJson(key.of('batch', account, batch.first), recordOf(batch)))
    changes.push({ put: key.of('body', account, batch.first), value: body })
    return changes
  },
  forgetBatch: (account: Account, first: number): DiskChange[] => [
    { delete: key.of('batch', account, first) },
    { delete: key.of('body', account, first) },
  ],
}

/** Entries, each with the number of its first line, from `first` on. */
function placed(entries: readonly Lines[], first: number) {
  let next = first
  return entries.map(({ text, count }) => {
    next += count
    return { text, first: next - count }
  })
}

/** The packed lines of a batch; raises `corrupt` when they are not there. */
export function readBody(disk: Disk, account: Account, first: number): Uint8Array {
  const name = key.of('body', account, first)
  const body = disk.get(name)
  if (!body) throw new Problem('corrupt', `the outbox has no ${name} though its batch is listed; restore the disk`)
  return body
}

/** The boot counter last used, 0 on an empty disk. Raises `corrupt` for a newer format, `conflict` for another source. */
export function readCounter(disk: Disk, source: string): number {
  const bytes = disk.get(key.meta)
  if (!bytes) return 0
  const found = parse(key.meta, bytes, meta)
  if (found.version > OUTBOX_FORMAT) {
    throw new Problem(
      'corrupt',
      `the outbox is of format ${found.version}; this Hearth knows up to ${OUTBOX_FORMAT}. Run the version that wrote it, or a newer one`,
    )
  }
  if (found.source !== source) {
    throw new Problem(
      'conflict',
      `this outbox is of source ${found.source}, not ${source}; give ${source} its own disk`,
    )
  }
  return found.counter
}

/** All accounts of `streams` on the disk, oldest boot first. Streams no longer named are kept and shipped too. */
export function readAccounts(disk: Disk): Account[] {
  const boots = new Map<string, BootRecord>()
  for (const entry of list(disk, 'outbox/boot/')) {
    boots.set(entry.key.slice('outbox/boot/'.length), parse(entry.key, entry.value, bootRecord))
  }
  const accounts = new Map<string, Account>()
  const accountOf = (path: string) => {
    const [boot = '', stream = ''] = path.split('/')
    const name = `${boot}/${stream}`
    const found = accounts.get(name)
    if (found) return found
    const record = boots.get(boot)
    if (!record) throw new Problem('corrupt', `the outbox has ${path} but no record of its boot; restore the disk`)
    const account = newAccount(record, stream, false)
    accounts.set(name, account)
    return account
  }
  for (const entry of list(disk, 'outbox/account/')) {
    const account = accountOf(entry.key.slice('outbox/account/'.length))
    Object.assign(account, parse(entry.key, entry.value, accountRecord))
  }
  for (const entry of list(disk, 'outbox/batch/')) {
    const account = accountOf(entry.key.slice('outbox/batch/'.length))
    const first = sequenceOf(entry.key)
    const batch = parse(entry.key, entry.value, batchRecord)
    account.held.push({ first, ...batch, inFlight: false })
    account.next = Math.max(account.next, first + batch.count)
  }
  for (const entry of list(disk, 'outbox/line/')) {
    const account = accountOf(entry.key.slice('outbox/line/'.length))
    const text = Buffer.from(entry.value).toString()
    const count = linesIn(entry.value).length
    addOpen(account, { text, count, bytes: entry.value.length })
    account.next = Math.max(account.next, sequenceOf(entry.key) + count)
  }
  return [...accounts.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, account]) => account)
}

/** Boots on record without any number given out: nothing to account for. */
export function emptyBoots(disk: Disk, accounts: readonly Account[]): readonly string[] {
  const used = new Set(accounts.map((account) => account.boot.boot))
  return list(disk, 'outbox/boot/')
    .map((entry) => parse(entry.key, entry.value, bootRecord).boot)
    .filter((boot) => !used.has(boot))
}

function sequenceOf(name: string): number {
  return Number(name.slice(name.lastIndexOf('/') + 1))
}

/** `0` is the byte after `/`. */
function list(disk: Disk, prefix: string) {
  return disk.scan(prefix, `${prefix.slice(0, -1)}0`)
}

function recordOf(batch: Held): z.infer<typeof batchRecord> {
  return { count: batch.count, crc: batch.crc, bytes: batch.bytes }
}

function putJson(name: string, value: unknown): DiskChange {
  return { put: name, value: Buffer.from(JSON.stringify(value)) }
}

function parse<T>(name: string, bytes: Uint8Array, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString()))
  } catch (error) {
    throw new Problem('corrupt', `the outbox’s ${name} cannot be read: ${messageOf(error)}; restore the disk`)
  }
}
