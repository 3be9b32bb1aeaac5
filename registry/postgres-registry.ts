import { existsSync } from 'node:fs'
import { isProblem, leaveFault, messageOf, Problem } from '../contract/problem.ts'
import type { Administration } from './administration.ts'
import { COPY_SEEN_MS, COPY_STEP_ROWS, POSTGRES_POLL_MS, POSTGRES_RETRY_MAX_MS } from './limits.ts'
import { COPIED, type Copy, type CopyStep, openCopy } from './postgres-copy.ts'
import { type Ask, type PostgresAddress, postgresLine } from './postgres-line.ts'
import { areTablesThere, makeTables, type PostgresMeta, readMeta } from './postgres-schema.ts'
import type { RegistryOptions } from './registry-options.ts'
import { text } from './row.ts'
import { certificatesIn } from './sqlite-certificates.ts'
import { hubsIn } from './sqlite-hubs.ts'
import { tokensIn } from './sqlite-tokens.ts'
import { watchDatabase } from './sqlite-watch.ts'
import type { Change } from './steps.ts'
import { registryWrites } from './writes.ts'

export type PostgresRegistryOptions = RegistryOptions & {
  readonly address: PostgresAddress
  /** SQLite file of this machine's copy; processes of one state folder share it. It may be deleted at any time. */
  readonly copy: string
  /** Told when Postgres is lost and when it is back. */
  readonly note: (text: string) => void
}

const READ = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'

/**
 * The registry in a Postgres database: changes are transactions there, everything else is answered from a copy on this
 * machine (docs/decisions/114). Opens with the copy alone when Postgres is not reached. Raises `unavailable` when there is
 * no copy either, `conflict` for a database of another fleet or layout, `invalid` for a newer format.
 */
export async function openPostgresRegistry(options: PostgresRegistryOptions): Promise<Administration> {
  const { clock, random, note, fleet } = options
  // Nothing is missed before the copy is there: opening it catches up.
  let announced = () => {}
  const line = postgresLine(options.address, () => announced())
  const copy = await openOn(options, line)
  let seen_ms: number | undefined
  let again = false
  let running: Promise<void> | undefined
  let failures = 0
  let cancel: (() => void) | undefined
  const ending = new AbortController()
  const isClosed = () => ending.signal.aborted

  /** True when the copy has everything. */
  async function takeStep(): Promise<boolean> {
    const step = await line.transaction(READ, async (ask) => {
      const meta = await readMeta(ask, line.place, options)
      if (meta && meta.boot === copy.boot && meta.version >= copy.version()) return readStep(ask, copy.version(), meta)
      throw new Problem(
        'conflict',
        `Postgres at ${line.place} is not the database that it was: start this process anew`,
      )
    })
    if (isClosed()) return true
    if (step) copy.apply(step)
    return step === undefined
  }

  async function catchUpAll(): Promise<void> {
    do {
      again = false
      while (!(await takeStep())) if (isClosed()) return
    } while (again && !isClosed())
    if (isClosed()) return
    seen_ms = clock.monotonic()
    if (clock.now() - copy.seen_ms() >= COPY_SEEN_MS) copy.see(clock.now())
  }

  /** Resolves when the copy has all that was committed before the call. */
  function catchUp(): Promise<void> {
    again = true
    running ??= catchUpAll().finally(() => {
      running = undefined
    })
    return running
  }

  async function look(): Promise<void> {
    let wait_ms = POSTGRES_POLL_MS
    try {
      await catchUp()
      if (failures > 0) note(`Postgres at ${line.place} is there again`)
      failures = 0
    } catch (error) {
      if (!isProblem(error)) throw error
      if (isClosed()) return
      failures++
      if (failures === 1) note(`the registry goes on from its copy: ${messageOf(error)}`)
      wait_ms = random.float() * Math.min(POSTGRES_RETRY_MAX_MS, 100 * 2 ** Math.min(failures, 10))
    }
    if (!isClosed()) cancel = clock.timer(wait_ms, () => void look())
  }

  const change: Change = async (steps) => {
    const result = await line.transaction('BEGIN', async (ask) => {
      // One change at a time, each seeing all before it: its statements take their snapshots after this lock is had.
      await ask('SELECT version FROM meta FOR UPDATE')
      const made = steps()
      let step = made.next()
      while (!step.done) {
        let place = 0
        step = made.next(
          await ask(
            step.value.sql.replace(/\?/g, () => `$${++place}`),
            ...step.value.values,
          ),
        )
      }
      return step.value
    })
    // It happened, whatever becomes of the copy.
    await catchUp().catch(leaveFault)
    return result
  }

  const hubs = hubsIn(copy)
  const watching = watchDatabase(clock, () => copy.version())
  cancel = clock.timer(POSTGRES_POLL_MS, () => void look())
  announced = () => void catchUp().catch(leaveFault)
  return {
    fleet,
    boot: copy.boot,
    wall_ms: copy.wall_ms,
    ...hubs,
    ...tokensIn(copy, clock),
    ...certificatesIn(copy, clock, hubs.hub),
    ...registryWrites(change, { ...options, wall_ms: copy.wall_ms }),
    stale_ms() {
      const told_ms = Math.max(0, clock.now() - copy.seen_ms())
      return seen_ms === undefined ? told_ms : Math.min(told_ms, clock.monotonic() - seen_ms)
    },
    watch: (callback) => watching.watch(callback),
    async close() {
      ending.abort()
      cancel?.()
      watching.close()
      await line.close()
      await running?.catch(leaveFault)
      copy.close()
    },
  }
}

/** The copy, whole when Postgres is reached, as it was when not. */
async function openOn(options: PostgresRegistryOptions, line: ReturnType<typeof postgresLine>): Promise<Copy> {
  let copy: Copy | undefined
  try {
    if (!(await line.transaction(READ, areTablesThere))) {
      await line.transaction('BEGIN', (ask) => makeTables(ask, options))
    }
    const meta = await line.transaction(READ, (ask) => readMeta(ask, line.place, options))
    if (!meta) throw new Problem('corrupt', `Postgres at ${line.place} has lost its tables again: make them anew`)
    const { version: _of_rows, ...facts } = meta
    copy = openCopy(options.copy, options, facts)
    if (copy.boot !== facts.boot || copy.version() > meta.version) copy.restart(facts)
    for (;;) {
      const from = copy.version()
      const step = await line.transaction(READ, async (ask) => {
        const now = await readMeta(ask, line.place, options)
        return now && readStep(ask, from, now)
      })
      if (!step) break
      copy.apply(step)
    }
    copy.see(options.clock.now())
    return copy
  } catch (error) {
    copy?.close()
    if (!isProblem(error, 'unavailable') || !existsSync(options.copy)) {
      await line.close()
      throw error
    }
    const kept = openCopy(options.copy, options)
    if (kept.seen_ms() === 0) {
      kept.close()
      await line.close()
      throw error
    }
    options.note(`the registry begins from its copy of ${new Date(kept.seen_ms()).toISOString()}: ${error.message}`)
    return kept
  }
}

/** The next rows above `from`; undefined when there are none. */
async function readStep(ask: Ask, from: number, { version }: PostgresMeta): Promise<CopyStep | undefined> {
  if (from >= version) return undefined
  const upto = Math.min(version, from + COPY_STEP_ROWS)
  const rowsOf = async (table: string, columns: readonly string[]) =>
    (
      await ask(
        `SELECT ${columns.join(', ')} FROM ${table} WHERE version > $1 AND version <= $2 ORDER BY version`,
        ...[from, upto],
      )
    ).rows
  const rows = {
    hubs: await rowsOf('hubs', COPIED.hubs),
    changes: await rowsOf('changes', COPIED.changes),
    tokens: await rowsOf('tokens', COPIED.tokens),
    certificates: await rowsOf('certificates', COPIED.certificates),
  }
  const deleted = await rowsOf('deleted', ['key'])
  return { from, upto, rows, deleted: deleted.map((one) => text(one['key'])) }
}
