/** What `hearth verify --commands` proves: that everybody tells the same end of each command, and that no hub did one twice. */
import { OUTCOMES, type Outcome } from '../contract/command.ts'
import { outranks } from './command.ts'

/** A command as the tables tell it. */
export type ToldCommand = {
  readonly command: string
  readonly hub: string
  readonly issued_ms: number
  readonly deadline_ms: number | undefined
  /** Outcomes that the relay recorded, and what the hub recorded beside `received`, each as often as it is there. */
  readonly relay: readonly string[]
  readonly at_hub: readonly string[]
  /** The relay's outcomes again, of each relay its own, where several recorded any: an app may have repeated it at another. */
  readonly by_relay?: readonly (readonly string[])[]
}

/** A command in a hub's own journal; `ended` is absent while it runs. */
export type JournalledCommand = { readonly command: string; readonly ended: string | undefined }

/** What an app was answered. */
export type AnsweredCommand = { readonly command: string; readonly outcome: string }

export type CommandProof = {
  readonly ok: boolean
  readonly commands: number
  /** By final outcome. */
  readonly outcomes: Readonly<Record<string, number>>
  /** Issued, and their time is not over. */
  readonly running: number
  /** Found in journals, and told by no table (yet). */
  readonly untold: number
  readonly answers: number
  /** Ended offline at a relay that did not have the hub, while another relay had sent it and was gone: it may have happened. */
  readonly offline_elsewhere: number
  readonly faults: readonly { readonly command: string; readonly hub?: string; readonly fault: string }[]
}

/** After its deadline a command may wait this long for its end to arrive in the table. */
export const SETTLE_MS = 5 * 60_000

/** `journals` are those that could be read, by hub: of other hubs nothing is said. */
export function proveCommands(facts: {
  readonly told: readonly ToldCommand[]
  readonly journals: ReadonlyMap<string, readonly JournalledCommand[]>
  readonly answers: readonly AnsweredCommand[]
  readonly now_ms: number
  /** Nothing runs any more, and all that was sent is in the tables: each must have ended, and be told by everybody. */
  readonly at_rest: boolean
}): CommandProof {
  const { told, journals, answers, now_ms, at_rest } = facts
  const faults: { command: string; hub?: string; fault: string }[] = []
  const outcomes: Record<string, number> = {}
  const finals = new Map<string, { readonly final: Outcome; readonly one: ToldCommand }>()
  const hubOf = new Map<string, string>()
  const journalled = new Map(
    [...journals].flatMap(([hub, all]) => all.map((one) => [`${hub}/${one.command}`, one] as const)),
  )
  let running = 0
  let offline_elsewhere = 0
  for (const one of told) {
    const { command, hub } = one
    const final = finalOf(one)
    if (isOfflineElsewhere(one)) offline_elsewhere++
    if (!at_rest && now_ms <= one.issued_ms + (one.deadline_ms ?? 0) + SETTLE_MS) {
      running++
      continue
    }
    const journal = journals.has(hub) ? (journalled.get(`${hub}/${command}`) ?? 'nothing') : undefined
    const found = faultsOf(one, final, journal, at_rest)
    const elsewhere = hubOf.get(command)
    if (elsewhere !== undefined) found.push(`hub ${elsewhere} was told the same id`)
    hubOf.set(command, hub)
    faults.push(...found.map((fault) => ({ command, hub, fault })))
    if (final === undefined) continue
    finals.set(command, { final, one })
    outcomes[final] = (outcomes[final] ?? 0) + 1
  }
  const known = new Set(told.map(({ hub, command }) => `${hub}/${command}`))
  const untold = [...journalled].filter(([key]) => !known.has(key))
  if (at_rest)
    for (const [key, { command }] of untold)
      faults.push({ command, hub: key.slice(0, key.indexOf('/')), fault: 'a journal has it, and no table' })
  const commands = new Set(told.map(({ command }) => command))
  for (const { command, outcome } of answers) {
    const ended = finals.get(command)
    if (ended && !agrees(outcome, ended.final, ended.one))
      faults.push({ command, fault: `an app was answered ${outcome}, and it ended ${ended.final}` })
    if (at_rest && !commands.has(command))
      faults.push({ command, fault: `an app was answered ${outcome}, and no table has it` })
  }
  const counts = {
    commands: told.length,
    outcomes,
    running,
    untold: untold.length,
    answers: answers.length,
    offline_elsewhere,
  }
  return { ok: faults.length === 0, ...counts, faults }
}

/** The best that anybody recorded: the relay's outcomes, and what the hub did while no relay heard of it. */
function finalOf({ relay, at_hub }: ToldCommand): Outcome | undefined {
  let best: Outcome | undefined
  const all = [...relay, ...at_hub.map((stage) => (stage === 'executed' && !relay.includes('done') ? 'late' : stage))]
  for (const one of all) {
    const outcome = OUTCOMES.find((name) => name === one)
    if (outcome !== undefined && outranks(outcome, best)) best = outcome
  }
  return best
}

/** What each relay recorded; those that recorded no outcome are left out. */
function storiesOf({ relay, by_relay = [relay] }: ToldCommand): readonly (readonly string[])[] {
  return by_relay
}

/** A relay says of itself alone that it sent nothing. */
function isOfflineElsewhere(one: ToldCommand): boolean {
  const stories = storiesOf(one)
  return stories.some((story) => story.includes('offline')) && stories.some((story) => !story.includes('offline'))
}

function faultsOf(
  one: ToldCommand,
  final: Outcome | undefined,
  journal: JournalledCommand | 'nothing' | undefined,
  at_rest: boolean,
): string[] {
  const { relay, at_hub } = one
  const faults: string[] = []
  const times = at_hub.filter((stage) => stage === 'executed').length
  if (times > 1) faults.push(`the hub recorded it executed ${times} times`)
  // A crash between its record and its journal tells of an interruption after it; before it nothing may have ended.
  const before = at_hub.slice(0, Math.max(0, at_hub.indexOf('executed')))
  if (before.length > 0) faults.push(`the hub recorded it ${before.join(', ')}, and then executed`)
  if (relay.includes('offline') && !isOfflineElsewhere(one) && at_hub.length > 0)
    faults.push(`it ended offline, and the hub recorded ${at_hub.join(', ')}`)
  if (at_rest && relay.includes('done') && times === 0) faults.push('it ended done, and the hub recorded nothing of it')
  for (const story of storiesOf(one))
    for (const outcome of new Set(story))
      if (story.filter((each) => each === outcome).length > 1) faults.push(`the relay recorded ${outcome} twice`)
  if (final === undefined) faults.push('its time is over, and nobody recorded an end')
  if (at_hub.includes('executed') && at_hub.includes('rejected'))
    faults.push('the hub recorded it executed and rejected')
  const happened = final === 'done' || final === 'late'
  if (journal === undefined) return faults
  const ended = journal === 'nothing' ? 'nothing' : (journal.ended ?? 'running')
  if (happened && ended !== 'executed' && !at_hub.includes('executed'))
    faults.push(`it ended ${final}, and the hub's journal says ${ended}`)
  // Its event may wait in the hub's outbox until all is at rest.
  if (at_rest && !happened && ended === 'executed')
    faults.push(`the hub's journal says executed, and it ended ${final}`)
  if (final === 'offline' && journal !== 'nothing') faults.push(`it ended offline, and the hub's journal says ${ended}`)
  return faults
}

/** An app may have been told less than came out in the end, and never more or something else. */
function agrees(answered: string, final: Outcome, one: ToldCommand): boolean {
  const { relay } = one
  if (answered === final) return true
  if (answered === 'offline' && isOfflineElsewhere(one)) return true
  // The relay's own record went with its machine, within what a power cut may cost: the hub's story fills it.
  if (answered === 'done' && final === 'late' && relay.length === 0) return true
  const unknown = answered === 'expired' || answered === 'interrupted'
  // Of several relays another may have been in time.
  const isPossible = final !== 'done' || storiesOf(one).length > 1
  return unknown && isPossible && final !== 'offline'
}
