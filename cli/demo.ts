import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import cliProgress from 'cli-progress'
import { z } from 'zod'
import { seededRandom, sleep } from '../contract/clock.ts'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import { type HistoryBatch, historyBatches } from '../hub-agent/history.ts'
import { type HistoryHub, historyFleet, historyRegistry } from '../hub-agent/history-fleet.ts'
import { decodeStatistics } from '../lake/statistics.ts'
import { type BatchPoster, batchPoster } from '../link/post-batch.ts'
import type { Administration } from '../registry/administration.ts'
import type { Authority } from '../registry/authority.ts'
import type { CliContext } from './context.ts'
import { layoutOf, openLocalLake } from './fleet.ts'
import { gatewayUrl } from './gateway-url.ts'
import { writeFiles } from './state-file.ts'

/** The demo's hubs, and their past, which is sent once through the real ingest path. */
export type Demo = {
  /** Words of the process that runs the hubs live. */
  readonly hubWords: readonly string[]
  /** Resolves when the whole history is acknowledged and in the table; with false, at once, when it was sent before. */
  sendHistory(): Promise<boolean>
}

const PREFIX = 'demo-'
const BATCHES_IN_FLIGHT = 8
const COMMIT_LOOK_MS = 200

const plan = z.object({
  hearth_demo: z.literal(1),
  hubs: z.number().int(),
  days: z.number().int(),
  /** Where the history ends and live begins, ms since 1970. */
  end_ms: z.number().int(),
  seed: z.number().int(),
  sent: z.boolean(),
})
type Plan = z.infer<typeof plan>

/**
 * The demo of this state folder. Its plan is written down before anything else: a start that died halfway makes the
 * same history again, and what was stored already is removed as the duplicate that it is.
 */
export async function openDemo(
  context: CliContext,
  options: {
    readonly registry: Administration
    readonly authority: Authority
    readonly hubs: number
    readonly days: number
  },
): Promise<Demo> {
  const { home, clock, random } = context
  const path = join(home, 'demo.json')
  const seed = Math.floor(random.float() * 2 ** 31)
  const fresh: Plan = { hearth_demo: 1, hubs: options.hubs, days: options.days, end_ms: clock.now(), seed, sent: false }
  const found = existsSync(path) ? readPlan(path) : undefined
  const kept = found ?? fresh
  if (!found) write(path, kept)
  const history = () => {
    const parts = { ...kept, prefix: PREFIX, random: seededRandom(kept.seed) }
    return { parts, fleet: historyFleet(parts) }
  }
  for (const { record, valid_from_ms } of historyRegistry(history().fleet)) {
    const known = options.registry.history(record.hub).some((one) => one.valid_from_ms === valid_from_ms)
    if (!known) await options.registry.putHub(record, valid_from_ms)
  }
  return {
    hubWords: ['hub', '--simulated', String(kept.hubs), '--prefix', PREFIX],
    async sendHistory() {
      if (kept.sent || kept.days === 0) return false
      const { parts, fleet } = history()
      const layout = layoutOf(context)
      const batches = [...historyBatches(fleet, { ...parts, fleet_name: context.config.fleet, layout })]
      await sendAll(context, options, fleet, batches)
      if (!context.signal.aborted) write(path, { ...kept, sent: true })
      return true
    },
  }
}

/** Raises `corrupt` for a plan of a newer version, or one that cannot be read. */
export function readPlan(path: string): Plan {
  const found: unknown = jsonOf(readFileSync(path, 'utf8'))
  const parsed = plan.safeParse(found)
  if (parsed.success) return parsed.data
  const version =
    typeof found === 'object' && found !== null && 'hearth_demo' in found ? String(found.hearth_demo) : 'none'
  throw new Problem(
    'corrupt',
    `${path} is no plan of the demo that this Hearth reads: expected version 1, found ${version}; use the version of Hearth that wrote it, or another HEARTH_HOME`,
    { cause: parsed.error },
  )
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // refused by the schema, with the name of the file
  }
}

function write(path: string, value: Plan): void {
  writeFiles([[path, `${JSON.stringify(value)}\n`]])
}

async function sendAll(
  context: CliContext,
  { registry, authority }: { readonly registry: Administration; readonly authority: Authority },
  fleet: readonly HistoryHub[],
  batches: readonly HistoryBatch[],
): Promise<void> {
  const { config, signal } = context
  const total = batches.reduce((sum, { events }) => sum + events, 0)
  // The one that was retired is no home of the demo's that anybody can look at now.
  const living = fleet.filter(({ trouble }) => trouble !== 'retired').length
  const progress = openProgress(context, total, living)
  const url = gatewayUrl(config)
  // Each source speaks for itself, with a token that lives as long as its history takes.
  const posters = new Map<string, BatchPoster>()
  for (const { identity } of batches) {
    if (posters.has(identity.source)) continue
    const token = await registry.createToken({ app: appOf(identity.source), scopes: ['telemetry'], identity })
    posters.set(identity.source, batchPoster({ url, token, tls: { ca: authority.certificate_pem } }))
  }
  try {
    const waiting = batches.values()
    let isTold = false
    const tell = (error: unknown) => {
      if (!isTold) context.note(`the history waits for the gateway: ${messageOf(error)}`)
      isTold = true
    }
    const worker = async () => {
      for (const { identity, bytes, events } of waiting) {
        if (signal.aborted) return
        await deliver(context, posters.get(identity.source), bytes, tell)
        progress.add(events)
      }
    }
    await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, worker))
    await committed(context, total)
  } finally {
    progress.stop(signal.aborted ? 'cut off: the next start sends the rest of the history' : 'the history is stored')
    for (const [source, poster] of posters) {
      poster.close()
      await registry.revokeToken(appOf(source))
    }
  }
}

function appOf(source: string): string {
  return `history-${source}`
}

async function deliver(
  { clock, signal }: CliContext,
  poster: BatchPoster | undefined,
  bytes: Uint8Array,
  tell: (error: unknown) => void,
): Promise<void> {
  for (let delay_ms = 100; ; delay_ms = Math.min(2_000, delay_ms * 2)) {
    try {
      await poster?.post(bytes, signal)
      return
    } catch (error) {
      if (!isProblem(error, 'limit', 'unavailable') || signal.aborted) throw error
      if (isProblem(error, 'unavailable')) tell(error)
      await sleep(clock, delay_ms, signal)
    }
  }
}

/** Resolves when the table holds at least so many rows. */
async function committed(context: CliContext, rows: number): Promise<void> {
  const { clock, signal } = context
  const table = await (await openLocalLake(context)).table(EVENTS_TABLE)
  while (!signal.aborted) {
    const { files } = await table.snapshot()
    let stored = 0
    for (const file of files.values()) stored += decodeStatistics(file.stats)?.numRecords ?? 0
    if (stored >= rows) return
    await sleep(clock, COMMIT_LOOK_MS, signal)
  }
}

function openProgress({ note }: CliContext, total: number, hubs: number) {
  if (!process.stderr.isTTY) {
    note(`sending the history of ${hubs} homes: ${total} events`)
    return { add: () => undefined, stop: note }
  }
  const bar = new cliProgress.SingleBar(
    { format: `the history of ${hubs} homes {bar} {value} of {total} events, {eta} s left`, hideCursor: true },
    cliProgress.Presets.shades_grey,
  )
  bar.start(total, 0)
  return {
    add: (events: number) => bar.increment(events),
    stop(how: string) {
      bar.stop()
      note(how)
    },
  }
}
