import { styleText } from 'node:util'
import type { Command } from 'commander'
import { refusal } from '../client/http.ts'
import { randomHex, sleep } from '../contract/clock.ts'
import { type AttributeValue, type CommandReport, OUTCOME_MEANING } from '../contract/command.ts'
import { DEADLINE_DEFAULT_MS, DEADLINE_MAX_MS, DEADLINE_MIN_MS } from '../contract/limits.ts'
import { causeOf, isProblem, messageOf, Problem, type ProblemOutcome, retryAfterOf } from '../contract/problem.ts'
import { HUB_DAY_RATE, HUB_RATE } from '../relay/limits.ts'
import { commandTimes } from './command-times.ts'
import type { CliContext } from './context.ts'
import { ANSWER_GRACE_MS, REFUSED_WAIT_MAX_MS, REFUSED_WAIT_MS, RELAY_LIMIT_MS } from './limits.ts'
import { whole } from './option.ts'
import { localToken, runningFact } from './running.ts'
import { textTable } from './text-table.ts'

type Options = { deadline: number; repeat: number; json?: boolean; relay?: string; tokenFile?: string }
/** `app_ms`: from here to here; `relay_ms`: the relay's own part of it, as it said itself. */
type Sent = CommandReport & { readonly app_ms: number; readonly relay_ms?: number }

/** What a repeated command came to. */
type Run = {
  readonly asked: number
  readonly answers: Sent[]
  /** How often the relay refused one for now, and for how long that was waited. */
  waits: number
  waited_ms: number
}

/** The command reached nobody, or did not happen as asked. */
const NOT_DONE = 3

export function register(program: Command, context: CliContext): void {
  program
    .command('send <hub> <device> <set...>')
    .description('send a command to a device and show each stage with its ms')
    .option(
      '--deadline <ms>',
      'how long the outcome may take',
      whole(DEADLINE_MIN_MS, DEADLINE_MAX_MS),
      DEADLINE_DEFAULT_MS,
    )
    .option('--repeat <times>', 'send it so many times, one after the other', whole(1, 1_000_000), 1)
    .option('--json', 'each answer and a summary as JSON')
    .option('--relay <url>', "the relay's app API (default: the one that runs here)")
    .option('--token-file <file>', 'a token with the scope commands (default: HEARTH_TOKEN, or of this installation)')
    .addHelpText(
      'after',
      `
Examples:
  hearth send demo-01 kitchen-lamp powered=1
  hearth send demo-01 kitchen-lamp powered=true brightness=40 --deadline 1000
  hearth send demo-01 kitchen-lamp powered=1 --repeat 200 --json

A relay takes ${HUB_RATE.per_second} commands a second for one hub, ${HUB_RATE.burst} at once, and over a day ${HUB_DAY_RATE.burst} and ${HUB_DAY_RATE.per_second} a second. With --repeat, one that it refuses for now is sent again when
it says, and the waits are counted. The summary is printed also when the run ends early.

Exit code 0 when done, ${NOT_DONE} when not; 1 when one was not sent: an unknown hub, a bad token, no relay that answers.`,
    )
    .action((hub: string, device: string, set: string[], options: Options) =>
      send(context, hub, device, parseSet(set), options),
    )
}

/** `powered=1` → number, `powered=true` → boolean, else text. Raises `invalid`. */
export function parseSet(words: readonly string[]): Record<string, AttributeValue> {
  return Object.fromEntries(
    words.map((word) => {
      const [, name, text] = /^([a-z][a-z0-9_]*)=(.*)$/.exec(word) ?? []
      if (name === undefined || text === undefined)
        throw new Problem('invalid', `expected attribute=value, as powered=1; found ${JSON.stringify(word)}`)
      if (text === 'true' || text === 'false') return [name, text === 'true']
      return [name, text !== '' && Number.isFinite(Number(text)) ? Number(text) : text]
    }),
  )
}

async function send(
  context: CliContext,
  hub: string,
  device: string,
  set: Record<string, AttributeValue>,
  options: Options,
): Promise<void> {
  const url = options.relay === undefined ? runningFact(context, 'relay', 'app_url') : httpUrl(options.relay)
  const token = localToken(context, options.tokenFile)
  const connect_ms = await connect(context, url)
  const once = () =>
    post(context, `${url}/v1/hubs/${encodeURIComponent(hub)}/commands`, token, {
      device,
      set,
      deadline_ms: options.deadline,
    })
  const run: Run = { asked: options.repeat, answers: [], waits: 0, waited_ms: 0 }
  const { answers } = run
  const ended = await repeat(context, run, once).then(
    () => undefined,
    (error: unknown) => ({ error }),
  )
  if (ended && answers.length === 0) throw ended.error
  if (options.json)
    context.print(
      JSON.stringify(options.repeat === 1 ? answers[0] : { answers, summary: summaryOf(run) }, undefined, 2),
    )
  else {
    const lines = options.repeat === 1 ? answers.flatMap(describe) : [outcomesText(run)]
    for (const line of [...lines, timesText(answers, connect_ms)]) context.print(line)
  }
  if (answers.some(({ outcome }) => outcome !== 'done')) process.exitCode = NOT_DONE
  if (ended) throw ended.error
}

/** Fills `run`. Of many, one that is refused for now is sent again when the relay says; raises what ends the run early. */
async function repeat({ clock, note, signal }: CliContext, run: Run, once: () => Promise<Sent>): Promise<void> {
  while (run.answers.length < run.asked) {
    signal.throwIfAborted()
    try {
      run.answers.push(await once())
    } catch (error) {
      const wait_ms = waitOf_ms(error)
      if (wait_ms === undefined || run.asked === 1) throw error
      if (run.waits++ === 0) note(`${messageOf(error)}; it is sent again when the relay says`)
      const from_ms = clock.monotonic()
      await sleep(clock, wait_ms, signal).finally(() => (run.waited_ms += clock.monotonic() - from_ms))
    }
  }
}

/** How long until a command that was refused may be sent again; undefined: it may not. */
function waitOf_ms(error: unknown): number | undefined {
  return isProblem(error, 'limit') && error.outcome === 'did-not-happen' ? retryAfterOf(error) : undefined
}

/** Of a Retry-After in seconds; a second where it names none, or comes as a date. */
function retryAfter_ms(header: string | null): number {
  const after_ms = Number(header) * 1_000
  return after_ms > 0 ? Math.min(after_ms, REFUSED_WAIT_MAX_MS) : REFUSED_WAIT_MS
}

/** Loads the HTTP client and connects, so that no command pays for it; resolves with the ms. Raises `unavailable`. */
async function connect({ clock, signal }: CliContext, url: string): Promise<number> {
  const started_ms = clock.monotonic()
  try {
    await within({ clock, signal }, RELAY_LIMIT_MS, async (either) =>
      (await fetch(`${url}/healthz`, { signal: either })).text(),
    )
  } catch (error) {
    throw unanswered(url, error)
  }
  return clock.monotonic() - started_ms
}

/** Runs `work` until the command is interrupted or its time is over. */
async function within<T>(
  { clock, signal }: Pick<CliContext, 'clock' | 'signal'>,
  limit_ms: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController()
  const cancel = clock.timer(limit_ms, () => late.abort(new Error(`no answer within ${limit_ms / 1000} s`)))
  try {
    return await work(AbortSignal.any([signal, late.signal]))
  } finally {
    cancel()
  }
}

function httpUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text
  throw new Problem('invalid', `--relay is a URL such as http://127.0.0.1:8980, found ${text}`)
}

function unanswered(url: string, error: unknown, outcome?: ProblemOutcome): Problem {
  const { origin } = new URL(url)
  return new Problem(
    'unavailable',
    `the relay at ${origin} does not answer: is hearth up running? (${causeOf(error)})${outcome === 'unknown' ? '; the command may have been carried out' : ''}`,
    {
      ...(outcome && { outcome }),
      cause: error,
    },
  )
}

async function post(
  { clock, random, signal }: CliContext,
  url: string,
  token: string,
  body: { readonly deadline_ms: number; readonly device: string; readonly set: Record<string, AttributeValue> },
): Promise<Sent> {
  const started_ms = clock.monotonic()
  let response: Response
  let text: string
  try {
    ;[response, text] = await within({ clock, signal }, body.deadline_ms + ANSWER_GRACE_MS, async (either) => {
      const answered = await fetch(url, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'idempotency-key': randomHex(random, 16),
        },
        body: JSON.stringify(body),
        signal: either,
      })
      return [answered, await answered.text()] as const
    })
  } catch (error) {
    if (signal.aborted)
      throw new Problem('unavailable', 'stopped before the answer came; the command may have been carried out', {
        outcome: 'unknown',
        cause: error,
      })
    throw unanswered(url, error, 'unknown')
  }
  const answer: unknown = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text
  if (!response.ok) {
    const { kind, outcome, message } = refusal(response.status, answer)
    const how = outcome === 'unknown' ? 'the relay does not know what became of it' : 'the relay refused'
    const cause =
      response.status === 429 ? { retry_after_ms: retryAfter_ms(response.headers.get('retry-after')) } : undefined
    throw new Problem(kind, `${how}: ${message}`, { outcome, cause })
  }
  if (!isReport(answer))
    throw new Problem(
      'corrupt',
      `the relay at ${new URL(url).origin} answered something else than a report: is it a Hearth relay?`,
    )
  const own_ms = /\brelay;dur=([\d.]+)/.exec(response.headers.get('server-timing') ?? '')?.[1]
  return {
    ...answer,
    app_ms: clock.monotonic() - started_ms,
    ...(own_ms === undefined ? {} : { relay_ms: Number(own_ms) }),
  }
}

function isReport(value: unknown): value is CommandReport {
  return (
    typeof value === 'object' &&
    value !== null &&
    'command' in value &&
    'stages' in value &&
    Array.isArray(value.stages)
  )
}

function describe(sent: Sent): string[] {
  const { outcome, reason, stages, hub, device, set, command } = sent
  const good = outcome === 'done'
  const rows = stages
    .filter(({ stage }) => stage !== outcome)
    .map(({ stage, by, ms }) => [
      stage,
      by === 'relay' ? "since issued, relay's clock" : "since received, hub's clock",
      figure(ms),
    ])
  const words = outcome ? `${outcome}: ${OUTCOME_MEANING[outcome]}` : 'running'
  return [
    `${hub} ${device} ${Object.entries(set)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(' ')}   ${command}`,
    textTable(['stage', 'measured', 'ms'.padStart(FIGURE_WIDTH)], rows),
    `${styleText(good ? 'green' : 'yellow', words, { stream: process.stdout })}${reason ? ` (${reason})` : ''}`,
  ]
}

/** Milliseconds at the 50th, 95th, 99th percentile, by nearest rank. */
function percentiles(values: readonly number[]) {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))]
  return { median: at(0.5), p95: at(0.95), p99: at(0.99), max: sorted.at(-1) }
}

/** Where the time went, each over the commands that got so far. */
function timesOf(answers: readonly Sent[]) {
  const times = answers.map((answer) => ({ ...commandTimes(answer), app_ms: answer.app_ms, relay_ms: answer.relay_ms }))
  const of = (field: keyof (typeof times)[number]) => percentiles(times.flatMap((one) => one[field] ?? []))
  return {
    app_ms: of('app_ms'),
    round_trip_ms: of('round_trip_ms'),
    relay_ms: of('relay_ms'),
    network_ms: of('network_ms'),
    hub_ms: of('hub_ms'),
  }
}

const TIME_MEANING = {
  app_ms: ['as seen here', 'request to answer'],
  round_trip_ms: ['round trip', "sent to acked, on the relay's clock"],
  hub_ms: ['  hub', "received to executed, on the hub's clock: journal, device, radio"],
  network_ms: ['  network', 'round trip − hub: an estimate'],
  relay_ms: ['relay', 'its own: checks and both writes of its ledger'],
} as const satisfies Record<keyof ReturnType<typeof timesOf>, readonly [string, string]>

/** One command has one time each; many have percentiles. */
const ONE = { ms: 'median' } as const
const MANY = { 'median ms': 'median', 'p95 ms': 'p95', 'p99 ms': 'p99', 'max ms': 'max' } as const
const FIGURE_WIDTH = 9

/** Two decimals, so that a column of them lines up. */
function figure(ms: number | undefined): string {
  return (ms?.toFixed(2) ?? '–').padStart(FIGURE_WIDTH)
}

function timesText(answers: readonly Sent[], connect_ms: number): string {
  const columns = answers.length === 1 ? ONE : MANY
  const times = new Map(Object.entries(timesOf(answers)))
  const rows = Object.entries(TIME_MEANING).map(([name, [words, meaning]]) => {
    const found = times.get(name)
    return [words, ...Object.values(columns).map((column) => figure(found?.[column])), meaning]
  })
  const head = Object.keys(columns).map((name) => name.padStart(FIGURE_WIDTH))
  const once = `\nBefore the first command, once: ${connect_ms.toFixed(0)} ms to load the HTTP client and connect.`
  return (
    textTable(['where the time went', ...head, 'measured'], rows) + styleText('dim', once, { stream: process.stdout })
  )
}

function summaryOf({ asked, answers, waits, waited_ms }: Run) {
  const outcomes: Record<string, number> = {}
  for (const { outcome = 'running' } of answers) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  return { asked, sent: answers.length, outcomes, waits, waited_ms, ...timesOf(answers) }
}

function outcomesText(run: Run): string {
  const { asked, sent, outcomes, waits, waited_ms } = summaryOf(run)
  const counts = Object.entries(outcomes).map(([outcome, count]) => `${outcome} ${count}`)
  const ended = sent < asked ? [`ended after ${sent} of ${asked}`] : []
  const waited = waits > 0 ? [`${waits} refused for now, ${(waited_ms / 1000).toFixed(1)} s waited`] : []
  return [counts.join(', '), ...ended, ...waited].join('; ')
}
