import type { BatchHeader } from '../contract/batch.ts'
import type { Outcome } from '../contract/command.ts'
import { type Interval, type IntervalSet, intersect, intervalSet } from '../contract/interval.ts'
import { EVENT_TIME_FUTURE_MAX_MS, EVENT_TIME_PAST_MAX_MS } from '../contract/limits.ts'
import type { LogRecord } from '../ingest/event-log.ts'
import type { Loss } from '../ingest/loss.ts'
import { type Ranges, streamKey } from '../ingest/ranges.ts'
import type { Catalogue } from '../jobs/catalogue.ts'
import type { Unit } from '../jobs/plan.ts'
import type { Archive } from './archive.ts'
import type { BegunBoot, Connect } from './hub-node.ts'
import type { Ran } from './jobs-node.ts'
import type { Sent } from './relay-node.ts'
import type { Row } from './row-encoder.ts'
import type { Granted } from './sim-directory.ts'
import type { Stage } from './sim-disk.ts'
import type { Claim, Reading } from './witness.ts'
import type { Done } from './work.ts'

/** A batch whose sender was told that it is durable. */
export type Acknowledged = {
  readonly source: string
  readonly boot: string
  readonly stream: string
  readonly first: number
  readonly count: number
}

/** What is left of the way of commands. */
export type ControlEvidence = {
  /** Errors that are nobody's fault but the code's. */
  readonly bugs: readonly string[]
  /** Commands as they were handed to sockets, and in which session of the hub they were taken. */
  readonly sent: readonly Sent[]
  /** Commands that an app was told an id of. */
  readonly commands: readonly CommandEvidence[]
  /** What devices did, by command; also of commands that no app was told an id of. */
  readonly executions: ReadonlyMap<string, Execution>
  /** By command: the stages that are on record. */
  readonly onRecord: ReadonlyMap<string, ReadonlySet<string>>
}

/** `broken`: one relay asked another for it, and did not hear what became of that. */
export type Asks = { readonly times: number; readonly issuers: readonly string[]; readonly broken: boolean }

/** What is left of a run of several relays (relays.ts). */
export type RelaysEvidence = ControlEvidence & {
  /** By command: how often a relay was asked for it, and the relays that put its issue on record. */
  readonly asks: ReadonlyMap<string, Asks>
  /** What the directory granted, and what it had of the hub before. */
  readonly claims: readonly Granted[]
  /** By hub: the epochs in which it asked for a connection. */
  readonly epochs: ReadonlyMap<string, ReadonlySet<string>>
  /** By hub, at rest: the relays that hold it, each with its epoch, and where the directory has it. */
  readonly places: ReadonlyMap<string, { readonly holders: readonly string[]; readonly place: string | undefined }>
}

/** What is left of a run when it has come to rest: all that an invariant may look at. */
export type Evidence = ControlEvidence & {
  /** Events that a source gave a number, by `eventKey`. */
  readonly numbered: ReadonlySet<string>
  /** Those of them that a power cut took from its disk before they were synced. */
  readonly taken: ReadonlySet<string>
  /** Those that are not on the old copy that a hub's disk was restored from. */
  readonly rolledBack: ReadonlySet<string>
  /** Those that are on such a copy, and so may be sent again, cut otherwise. */
  readonly broughtBack: ReadonlySet<string>
  readonly acknowledged: readonly Acknowledged[]
  /** Sources whose events are to leave the table, and stay received. */
  readonly erased: ReadonlySet<string>
  /** The events table, as one who comes anew reads it. */
  readonly rows: readonly Row[]
  /** Files of it that are not there. */
  readonly gone: readonly string[]
  /** Everything that was ever in the store. */
  readonly archive: Archive
  /** What commits told to those who made them, and the table to those who read it. */
  readonly claims: readonly Claim[]
  readonly readings: readonly Reading[]
  /** Where a writer found that the log does not follow on the table. */
  readonly losses: readonly Loss[]
  /** By bucket, as a writer that begins now reads them. */
  readonly ranges: ReadonlyMap<number, Ranges>
  /** Each snapshot of ranges that was kept, and the rows of its bucket as of its version. */
  readonly snapshots: readonly {
    readonly version: number
    readonly ranges: Ranges
    readonly rows: readonly Row[]
  }[]
  /** The name of a source in the ranges. */
  readonly sourceKey: (source: string) => string
  /** Each log that there was, oldest first: everything that was ever durable in it, and where the table says that it stands; by bucket. */
  readonly logs: readonly {
    readonly id: string
    readonly buckets: readonly (readonly LogRecord[])[]
    readonly positions: readonly number[]
  }[]
  readonly now_ms: number
  readonly jobs: JobsEvidence
  /** By command: what was put on record of it, wherever that went. */
  readonly stages: ReadonlyMap<string, readonly Stage[]>
  /** By hub, in order: the connections that it asked for. */
  readonly connects: ReadonlyMap<string, readonly (Connect & { readonly forgotten: boolean })[]>
  /** By hub, in order: the boots that it began. */
  readonly boots: ReadonlyMap<string, readonly BegunBoot[]>
}

export type JobsEvidence = {
  /** Their definitions, as the drivers have them at last. */
  readonly metrics: Catalogue
  /** What living drivers were told that they had committed and put on record. */
  readonly ran: readonly Ran[]
  /** Runs that are not over once one has looked who begins. */
  readonly left: readonly string[]
  /** What one who looks anew finds to do. */
  readonly due: readonly Unit[]
}

export type Execution = Done & {
  /** Stages of it that its hub put on record, and no power cut took. */
  readonly told: readonly string[]
  /** Its hub's disk would not take one of them. */
  readonly refused: boolean
  /** Its hub's disk was restored to a time before it began. */
  readonly rolled_back: boolean
  /** A power cut may have taken what the relay knew of it before it was synced. */
  readonly forgotten: boolean
  /** More than one relay issued it: a hub that lost its memory may hear of it twice. */
  readonly repeated: boolean
}

export type CommandEvidence = {
  readonly id: string
  /** What apps were told, in order. */
  readonly told: readonly (Outcome | undefined)[]
  /** … by who told it: of each what it said, in order. */
  readonly tellers: readonly (readonly (Outcome | undefined)[])[]
  /** What the relay has on record at the end. */
  readonly outcome: Outcome | undefined
  readonly deadline_ms: number
  /** How long after the session that it was taken in ended an app was told that the hub is offline. */
  readonly offline_after_ms: number | undefined
  /** Issue to the hub's word that it was executed, in true time, where one run of the relay saw both. */
  readonly confirmed_ms: number | undefined
  /** Did a living relay take in the hub's word that it was executed? */
  readonly heard_executed: boolean
  /** A power cut may have taken what the relay knew of it before it was synced: at most the last group. */
  readonly forgotten: boolean
}

/** A promise that holds after every run, whatever struck it: a file in `invariants/`, named in `invariants/all.ts`. */
export type Invariant<E = Evidence> = {
  readonly name: string
  /** What is wrong; nothing when the promise holds. */
  check(evidence: E): readonly string[]
}

/** Everything that was ever durable and can be read; what is of one bucket in its order. */
export function recordsOf({ logs }: Pick<Evidence, 'logs'>): readonly LogRecord[] {
  return logs.flatMap(({ buckets }) => buckets.flat().filter(({ dead }) => dead === undefined))
}

/** What a line says, be it an event or not. */
export function fieldsOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const fields: unknown = JSON.parse(line)
    return typeof fields === 'object' && fields !== null && !Array.isArray(fields) ? { ...fields } : undefined
  } catch {
    return undefined
  }
}

/** Is a service's line about one of these hubs, and not of an enrolment after the first? */
export function tellsOf(hubs: ReadonlySet<string>, line: string): boolean {
  const { hub, kind, generation } = fieldsOf(line) ?? {}
  return typeof hub === 'string' && hubs.has(hub) && !(kind === 'registry' && Number(generation) > 1)
}

/** When an event happened, by the batch that it came in; ms since 1970. Not by the code that is judged. */
export function happened_ms(m: number, { now, wall }: BatchHeader, received_ms: number): number {
  const said_ms = now === undefined ? wall + m : received_ms - (now - m)
  const [earliest_ms, latest_ms] = [received_ms - EVENT_TIME_PAST_MAX_MS, received_ms + EVENT_TIME_FUTURE_MAX_MS]
  const near_ms = Math.min(Math.max(said_ms, earliest_ms), latest_ms)
  return now === undefined && near_ms !== said_ms ? received_ms : near_ms
}

export function eventKey(event: { source: string; boot: string; stream: string; seq: number }): string {
  return `${event.source} ${event.boot} ${event.stream} ${event.seq}`
}

/** Events as sets of numbers, by the name that a boot of a stream has in the ranges. */
export function numbersOf(keys: Iterable<string>, sourceKey: Evidence['sourceKey']): ReadonlyMap<string, IntervalSet> {
  const found = new Map<string, Interval[]>()
  for (const key of keys) {
    const [source = '', boot = '', stream = '', seq] = key.split(' ')
    const name = bootName(sourceKey(source), stream, boot)
    const list = found.get(name) ?? []
    list.push([Number(seq), Number(seq) + 1])
    found.set(name, list)
  }
  return new Map([...found].map(([name, list]) => [name, intervalSet(list)]))
}

/** What may be missing for ever: it was lost with a disk, before it was synced or sent. */
export function lostWithDisks({ taken, rolledBack, sourceKey }: Evidence): ReadonlyMap<string, IntervalSet> {
  return numbersOf([...taken, ...rolledBack], sourceKey)
}

/** `source` as the ranges call it. */
export function bootName(source: string, stream: string, boot: string): string {
  return `${streamKey(source, stream)} ${boot}`
}

/**
 * By command: the stages that are on record, in the table or owned up to as dropped: a full disk gives up what waits
 * longest, and the account tells its numbers.
 */
export function stagesOnRecord({
  rows,
  ranges,
  stages,
  sourceKey,
}: Pick<Evidence, 'rows' | 'ranges' | 'stages' | 'sourceKey'>): ReadonlyMap<string, ReadonlySet<string>> {
  const dropped = new Map<string, IntervalSet>(
    [...ranges.values()].flatMap((streams) =>
      [...streams].flatMap(([key, { boots }]) =>
        [...boots].map(([boot, one]) => [`${key} ${boot}`, one.dropped] as const),
      ),
    ),
  )
  const isDropped = (event: string) =>
    [...numbersOf([event], sourceKey)].some(([name, set]) => intersect(dropped.get(name) ?? [], set).length > 0)
  const told = [
    ...rows.flatMap(({ command, stage }) => (command !== undefined && stage !== undefined ? [{ command, stage }] : [])),
    ...[...stages].flatMap(([command, all]) =>
      all.filter(({ event }) => isDropped(event)).map(({ stage }) => ({ command, stage })),
    ),
  ]
  const found = Map.groupBy(told, ({ command }) => command)
  return new Map([...found].map(([command, all]) => [command, new Set(all.map(({ stage }) => stage))]))
}
