/**
 * What may have touched a device: the id of each command, on disk and synced before the device hears of it. What the
 * hub refused before that is not in here.
 *
 * Ids are forgotten by *running time*, the hub's monotonic clock added up over its boots: a wall clock that jumps a year
 * ahead must not make a hub forget what it did a minute ago. A hub that is off does not age, which only keeps ids longer.
 */
import { z } from 'zod'
import type { Clock } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import type { Disk } from '../link/disk.ts'
import { JOURNAL_ENTRIES_MAX, JOURNAL_FORGET_AT_ONCE, JOURNAL_KEEP_MS } from './limits.ts'

const ended = z.object({
  stage: z.enum(['executed', 'rejected', 'expired', 'interrupted']),
  /** ms since `received`, on the hub's clock. */
  ms: z.number(),
  reason: z.string().optional(),
})
const entry = z.object({
  version: z.literal(1),
  hash: z.string(),
  device: z.string(),
  issued: z.number(),
  /** Running time of the hub at receipt, ms. */
  age_ms: z.number(),
  /** Absent while it is being carried out, and after a crash in the middle of that. */
  ended: ended.optional(),
})
const running = z.object({ version: z.literal(1), age_ms: z.number() })

export type Ended = z.infer<typeof ended>
export type JournalEntry = z.infer<typeof entry>

export type Journal = {
  get(command: string): JournalEntry | undefined
  /** Resolves once the id would survive a power cut. Raises `limit` when the journal is full. */
  begin(command: string, what: Pick<JournalEntry, 'hash' | 'device' | 'issued'>): Promise<void>
  /** Survives the end of the process at once, a power cut with the next sync: lost, it reads as `interrupted`. */
  end(command: string, how: Ended): void
  /** Commands that were begun and never ended, in any boot. */
  unended(): readonly string[]
}

const COMMANDS = 'journal/command/'
const UNENDED = 'journal/unended/'
const AGES = 'journal/age/'
const RUNNING = 'journal/running'
/** Sorts after every key with the same prefix: ids are ASCII. */
const END = '~'
const PAGE = 1_000

/** Raises `corrupt` for a journal of a newer version or with a value that cannot be read. */
export function openJournal({ disk, clock }: { readonly disk: Disk; readonly clock: Clock }): Journal {
  const origin_ms = clock.monotonic()
  const stored = disk.get(RUNNING)
  const before_ms = stored ? read(running, stored, RUNNING).age_ms : 0
  const age_ms = () => before_ms + (clock.monotonic() - origin_ms)
  let entries = count(disk)

  const change = (command: string, value: JournalEntry) => ({ put: COMMANDS + command, value: write(value) })
  const aged = () => ({ put: RUNNING, value: write({ version: 1, age_ms: age_ms() }) })
  const get = (command: string) => {
    const value = disk.get(COMMANDS + command)
    return value === undefined ? undefined : read(entry, value, COMMANDS + command)
  }

  return {
    get,
    async begin(command, what) {
      const old = disk
        .scan(AGES, AGES + ageKey(age_ms() - JOURNAL_KEEP_MS), JOURNAL_FORGET_AT_ONCE)
        .map(({ key }) => ({ key, command: key.slice(AGES.length + AGE_DIGITS + 1) }))
      if (entries - old.length >= JOURNAL_ENTRIES_MAX) {
        const message = `the journal is full: ${entries} commands within ${JOURNAL_KEEP_MS / 3_600_000} h of running time`
        throw new Problem('limit', message)
      }
      const now_ms = age_ms()
      disk.write([
        change(command, { version: 1, ...what, age_ms: now_ms }),
        { put: UNENDED + command, value: new Uint8Array() },
        { put: `${AGES}${ageKey(now_ms)}/${command}`, value: new Uint8Array() },
        aged(),
        ...old.flatMap((each) => [{ delete: each.key }, { delete: COMMANDS + each.command }]),
      ])
      entries += 1 - old.length
      await disk.sync()
    },
    end(command, how) {
      const begun = get(command)
      if (!begun) throw new Problem('missing', `command ${command} ends, but the journal does not have it`)
      disk.write([change(command, { ...begun, ended: how }), { delete: UNENDED + command }, aged()])
    },
    unended: () => disk.scan(UNENDED, UNENDED + END).map(({ key }) => key.slice(UNENDED.length)),
  }
}

/** All that a journal holds, for who looks at it from outside. Raises `corrupt`. */
export function readJournal(disk: Disk): readonly (JournalEntry & { readonly command: string })[] {
  return disk.scan(COMMANDS, COMMANDS + END).map(({ key, value }) => {
    return { command: key.slice(COMMANDS.length), ...read(entry, value, key) }
  })
}

const AGE_DIGITS = 15

function ageKey(age_ms: number): string {
  return String(Math.max(0, Math.floor(age_ms))).padStart(AGE_DIGITS, '0')
}

function count(disk: Disk): number {
  let total = 0
  for (let from = AGES; ; ) {
    const page = disk.scan(from, AGES + END, PAGE)
    total += page.length
    const last = page.at(-1)
    if (!last || page.length < PAGE) return total
    from = `${last.key}\u0000`
  }
}

function write(value: z.infer<typeof entry> | z.infer<typeof running>): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

function read<T>(schema: z.ZodType<T>, value: Uint8Array, key: string): T {
  const text = Buffer.from(value).toString()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new Problem('corrupt', `${key} is not JSON: ${text.slice(0, 80)}`, { cause: error })
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new Problem('corrupt', `${key}: expected version 1 of the command journal, found ${text.slice(0, 80)}`)
}
