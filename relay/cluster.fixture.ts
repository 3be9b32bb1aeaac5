/** Relays of one fleet in one process, over a directory and ways between them that tests bend. */
import type { Clock } from '../contract/clock.ts'
import type { CommandReport } from '../contract/command.ts'
import { Problem } from '../contract/problem.ts'
import { memoryDisk } from '../link/memory-disk.ts'
import { ManualClock, seededRandom, settle } from '../sim/clock.ts'
import { type Answer, cluster, type Elsewhere, type Issued } from './cluster.ts'
import { commandCore } from './command-core.ts'
import type { Directory } from './directory.ts'
import { openLedger } from './ledger.ts'
import { liveFeed } from './live-event.ts'
import { memoryDirectory } from './memory-directory.ts'
import type { ForwardedCommand, PeerService } from './peers.ts'

export const HUB = 'demo-01'
export const DAY = '2026-11-24'
export const DAY_MS = 86_400_000
export const ask = { app: 'app', hub: HUB, device: 'lamp', set: { powered: true }, deadline_ms: 1_000 }

export const unreachable = () => {
  throw new Problem('unavailable', 'nobody is there')
}
export const broken = () => {
  throw new Problem('unavailable', 'the way broke', { outcome: 'unknown' })
}

export type Way = (
  command: ForwardedCommand,
  arrive: () => ReturnType<PeerService['issue']>,
) => ReturnType<PeerService['issue']>
/** Takes the command, and its answer is lost. */
export const unanswered: Way = (_command, arrive) => {
  void arrive()
  return Promise.resolve().then(broken)
}

const ahead = (clock: ManualClock, ms: number): Clock => ({
  now: () => clock.now() + ms,
  monotonic: () => clock.monotonic(),
  timer: (after_ms, act) => clock.timer(after_ms, act),
})

/** Relays of one fleet over one directory, in one process; the wall clock of the first may be ahead of the others'. */
export async function fleet(names: readonly string[], ahead_ms = 0, machine = new ManualClock()) {
  const shared = memoryDirectory()
  const services = new Map<string, PeerService>()
  const ways = new Map<string, Way>()
  const asked: ForwardedCommand[] = []
  const started = names.map(async (relay, i) => {
    const random = seededRandom(i + 1)
    const clock = i === 0 ? ahead(machine, ahead_ms) : machine
    const fault = (error: unknown) => {
      throw error
    }
    const layout = { epoch: 1, buckets: 4 }
    const ledger = await openLedger({ disk: memoryDisk(), clock, random, source: relay, layout, version: '1', fault })
    const sent: string[] = []
    const link = {
      send: (_hub: string, _epoch: string, message: { readonly type: string; readonly command?: string }) => {
        if (message.command !== undefined) sent.push(message.command)
        return 'sent' as const
      },
    }
    const core = commandCore({ fleet: 'demo', clock, random, ledger, feed: liveFeed(), link })
    const own = shared.join({ relay, address: `${relay}:1` })
    const state = { directory: own }
    const directory: Directory = { ...own, find: (hub) => state.directory.find(hub) }
    const peers = {
      at: (address: string): PeerService => {
        const to = address.replace(':1', '')
        const service = services.get(to)
        return {
          issue: async (command, answer) => {
            asked.push(command)
            const arrive = () => (service ? service.issue(command, answer) : unreachable())
            return ways.get(to)?.(command, arrive) ?? arrive()
          },
          find: async (id) => (service ? service.find(id) : unreachable()),
        }
      },
    }
    const joined = cluster({ relay, fleet: 'demo', core, directory, peers, clock, random })
    services.set(relay, joined.service)
    const hold = async (epoch: string) => {
      core.connected(HUB, epoch)
      await own.claim(HUB, epoch)
    }
    const executed = (command: string) =>
      core.result(HUB, { hearth: 1, type: 'result', command, stage: 'executed', ms: 1 })
    /** The outcome at this relay of a command that a hub without words is sent. */
    const tell = async (issued: Issued): Promise<CommandReport> =>
      'command' in issued ? core.settled(issued.command) : issued.report
    return { core, ledger, sent, hold, executed, tell, state, own, ...joined }
  })
  const relays = await Promise.all(started)
  const relay = (i: number) => {
    const found = relays[i]
    if (!found) throw new Error(`no relay ${i}`)
    return found
  }
  return { clock: machine, shared, ways, asked, services, relay, a: relay(0), b: relay(1) }
}

export const elsewhere = (issued: Issued): Elsewhere => {
  if ('command' in issued) throw new Error('it was issued here')
  return issued
}

/** A command by way of relay a, which relay b executes. */
export async function executedAtB(world: Awaited<ReturnType<typeof fleet>>, answer: Answer = 'settled') {
  const { report } = elsewhere(world.a.issue({ ...ask, key: 'key', day: DAY }, answer))
  await settle()
  for (const id of world.b.sent) world.b.executed(id)
  return report
}
