/**
 * A week of one home, told twice as in life: by the hub (its boots, readings, commands) and by the relay that held it
 * (connections, the stages of commands). Both stories agree on every command. Pure: all chance comes in as `random`.
 */
import type { Random } from '../contract/clock.ts'
import { commandId } from '../contract/command.ts'
import type { Event } from '../contract/event.ts'
import { between, chance, exponential, logNormal, pick } from './chance.ts'
import { FIRMWARE_NEW, FIRMWARE_OLD, type HistoryHub, HOUR_MS, maintenanceOf } from './history-fleet.ts'
import { openHome } from './home.ts'
import { LAMPS } from './home-devices.ts'
import { localTime } from './local-time.ts'

/** An event with its wall time; `m` is counted from the start of the boot when it is written. */
export type Told = {
  readonly time_ms: number
  readonly stream: 'control' | 'readings'
  readonly event: Omit<Event, 'm'> & { readonly kind: string }
}
export type ToldByRelay = {
  readonly time_ms: number
  readonly event: Omit<Event, 'm'> & { readonly kind: string; readonly hub: string }
}

export type BootStory = {
  readonly counter: number
  readonly start_ms: number
  readonly end_ms: number
  readonly firmware: string
  /** Why the boot before ended, when it did not end cleanly. */
  readonly crash: string | undefined
  readonly told: Told[]
}

export type HubStory = { readonly boots: readonly BootStory[]; readonly relay: readonly ToldByRelay[] }

type Session = {
  readonly from_ms: number
  readonly to_ms: number
  readonly epoch: string
  readonly reason: string
  readonly planned: boolean
}

const HEALTH_MS = 300_000
const DEADLINE_MS = 5_000
const START_MS = 3_000
/** Commands an hour while people are up. */
const COMMANDS_AN_HOUR = 4

export function tellStory(hub: HistoryHub, fleet: string, random: Random): HubStory {
  const boots = bootsOf(hub, random)
  const relay: ToldByRelay[] = []
  const sessions = boots.flatMap((boot) => sessionsOf(hub, boot, random))
  for (const session of sessions) {
    const about = { kind: 'connection', hub: hub.hub, epoch: session.epoch }
    relay.push({ time_ms: session.from_ms, event: { ...about, stage: 'connected' } })
    relay.push({
      time_ms: session.to_ms,
      event: { ...about, stage: 'disconnected', reason: session.reason, planned: session.planned },
    })
  }
  tellReadings(hub, boots, random)
  for (const boot of boots) tellHealth(hub, boot, random)
  tellCommands({ hub, fleet, boots, sessions, relay, random })
  for (const boot of boots) boot.told.sort((a, b) => a.time_ms - b.time_ms)
  return { boots, relay }
}

/** The runs of the hub, one after the other. */
function bootsOf(hub: HistoryHub, random: Random): BootStory[] {
  const boots: BootStory[] = []
  const loop_ms = hub.enrolled_ms + 0.7 * (hub.end_ms - hub.enrolled_ms)
  let start_ms = hub.enrolled_ms
  let crash: string | undefined
  while (start_ms < hub.end_ms) {
    const upgraded = hub.upgraded_ms !== undefined && start_ms >= hub.upgraded_ms
    const looping = hub.trouble === 'crash-loop' && start_ms >= loop_ms && start_ms < loop_ms + 14 * HOUR_MS
    const life_ms = looping ? between(random, 4, 20) * 60_000 : exponential(random, (upgraded ? 60 : 400) * HOUR_MS)
    const crashed_ms = start_ms + Math.max(60_000, Math.round(life_ms))
    const upgrade_ms =
      !upgraded && hub.upgraded_ms !== undefined
        ? Math.max(hub.upgraded_ms, start_ms + 60_000)
        : Number.POSITIVE_INFINITY
    const end_ms = Math.min(hub.end_ms, upgrade_ms, crashed_ms)
    boots.push({
      counter: boots.length + 1,
      start_ms,
      end_ms,
      firmware: upgraded ? FIRMWARE_NEW : FIRMWARE_OLD,
      crash,
      told: [],
    })
    crash =
      end_ms === crashed_ms && end_ms < hub.end_ms
        ? pick(random, ['watchdog: main loop stalled', 'out of memory', 'radio driver fault'])
        : undefined
    start_ms =
      end_ms + Math.round(end_ms === upgrade_ms ? between(random, 30_000, 50_000) : between(random, 12_000, 25_000))
  }
  return boots
}

/** The control connections within a boot. */
function sessionsOf(hub: HistoryHub, boot: BootStory, random: Random): Session[] {
  const sessions: Session[] = []
  const mean_ms = (hub.trouble === 'weak-wifi' ? 2.5 : 80) * HOUR_MS
  const dark = offlineOf(hub)
  let from_ms = boot.start_ms + START_MS
  while (from_ms < boot.end_ms) {
    if (dark && from_ms >= dark.from_ms && from_ms < dark.to_ms) {
      from_ms = dark.to_ms
      continue
    }
    const cut_ms = from_ms + Math.max(1_000, Math.round(exponential(random, mean_ms)))
    const dark_ms = dark && from_ms < dark.from_ms ? dark.from_ms : Number.POSITIVE_INFINITY
    const to_ms = Math.min(boot.end_ms, cut_ms, dark_ms)
    const atEnd = to_ms === boot.end_ms
    const clean = atEnd && (boot.end_ms === hub.end_ms || boot.end_ms === hub.upgraded_ms)
    sessions.push({
      from_ms,
      to_ms,
      epoch: `1.${boot.counter}.${sessions.length + 1}`,
      reason: clean ? 'goodbye' : atEnd ? 'connection-reset' : 'keep-alive-timeout',
      planned: clean,
    })
    from_ms =
      to_ms +
      Math.round(hub.trouble === 'weak-wifi' ? between(random, 20_000, 240_000) : between(random, 2_000, 30_000))
  }
  return sessions
}

/** The day on which a home's line was down; its hub went on and kept everything. */
function offlineOf(hub: HistoryHub): { readonly from_ms: number; readonly to_ms: number } | undefined {
  if (hub.trouble !== 'offline-day') return undefined
  const from_ms = hub.enrolled_ms + 0.45 * (hub.end_ms - hub.enrolled_ms)
  return { from_ms: Math.round(from_ms), to_ms: Math.round(Math.min(from_ms + 24 * HOUR_MS, hub.end_ms - HOUR_MS)) }
}

function tellReadings(hub: HistoryHub, boots: readonly BootStory[], random: Random): void {
  const home = openHome({ random, zone: hub.zone, start_ms: hub.enrolled_ms, weak_radios: hub.trouble === 'weak-wifi' })
  let index = 0
  while (home.next_ms() < hub.end_ms) {
    const now_ms = home.next_ms()
    const reports = home.step()
    while (boots[index] && now_ms >= (boots[index]?.end_ms ?? 0)) index++
    const boot = boots[index]
    // Between two boots nobody listens: the devices spoke, and no hub heard it.
    if (!boot || now_ms < boot.start_ms) continue
    for (const { time_ms, ...reading } of reports)
      boot.told.push({ time_ms, stream: 'readings', event: { kind: 'reading', ...reading } })
  }
}

function tellHealth(hub: HistoryHub, boot: BootStory, random: Random): void {
  if (boot.crash)
    boot.told.push({ time_ms: boot.start_ms, stream: 'control', event: { kind: 'crash', reason: boot.crash } })
  const level_dbm = hub.trouble === 'weak-wifi' ? -82 : -58
  for (let time_ms = boot.start_ms + 1_000; time_ms < boot.end_ms; time_ms += HEALTH_MS) {
    const rssi_dbm = Math.round(level_dbm + between(random, -5, 5))
    boot.told.push({
      time_ms,
      stream: 'control',
      event: { kind: 'health', uptime_ms: time_ms - boot.start_ms, queue: chance(random, 0.05) ? 1 : 0, rssi_dbm },
    })
  }
}

type Telling = {
  readonly hub: HistoryHub
  readonly fleet: string
  readonly boots: readonly BootStory[]
  readonly sessions: readonly Session[]
  readonly relay: ToldByRelay[]
  readonly random: Random
}

function tellCommands(telling: Telling): void {
  const { hub, random } = telling
  const clock = localTime(hub.zone)
  const away = maintenanceOf(hub)
  let key = 0
  for (let time_ms = hub.enrolled_ms + 60_000; ; ) {
    time_ms += Math.round(exponential(random, HOUR_MS / COMMANDS_AN_HOUR))
    if (time_ms > hub.end_ms - 30_000) return
    const { hour } = clock(time_ms)
    if (hour < 6.5 || hour > 23 || (away && time_ms >= away.from_ms && time_ms < away.to_ms)) continue
    tellCommand(telling, time_ms, `history-${++key}`)
  }
}

/** One command from tap to outcome; what each side writes down, with durations that add up. */
function tellCommand({ hub, fleet, boots, sessions, relay, random }: Telling, issued: number, key: string): void {
  const command = commandId(fleet, 'app-family', hub.hub, key, new Date(issued).toISOString().slice(0, 10))
  const device = pick(random, LAMPS)
  const about = { kind: 'command', hub: hub.hub, command, issued, device }
  const byRelay = (stage: string, ms: number, more: Readonly<Record<string, unknown>> = {}) =>
    relay.push({ time_ms: Math.round(issued + ms), event: { ...about, stage, ms: rounded(ms), ...more } })
  byRelay('issued', 0, {
    app: 'app-family',
    deadline_ms: DEADLINE_MS,
    set: JSON.stringify({ powered: chance(random, 0.5) }),
  })

  const session = sessions.find(({ from_ms, to_ms }) => issued >= from_ms && issued < to_ms)
  const boot = boots.find(({ start_ms, end_ms }) => issued >= start_ms && issued < end_ms)
  if (!session || !boot) {
    byRelay('offline', between(random, 0.1, 0.4), { reason: 'no live connection' })
    return
  }
  const byHub = (
    to: BootStory,
    time_ms: number,
    stage: string,
    ms: number,
    more: Readonly<Record<string, unknown>> = {},
  ) =>
    to.told.push({
      time_ms,
      stream: 'control',
      event: { kind: 'command', command, issued, device, device_type: 'lamp', stage, ms: rounded(ms), ...more },
    })

  const slow = boot.firmware === FIRMWARE_NEW ? 1.5 : 1
  const sent_ms = logNormal(random, 0.6, 0.4)
  const network_ms = logNormal(random, hub.trouble === 'weak-wifi' ? 40 : 12, 0.5)
  const received_ms = issued + Math.ceil(sent_ms + network_ms / 2)
  byRelay('routed', sent_ms * 0.2)
  byRelay('sent', sent_ms)
  // The connection fell before it could say more: nobody knows whether it happened, until the hub is back.
  if (received_ms + 1 >= session.to_ms) {
    byRelay('expired', DEADLINE_MS, { reason: 'no result by the deadline' })
    return
  }
  byHub(boot, received_ms, 'received', 0)
  const fate = random.float()
  const refused = fate < (hub.trouble === 'weak-wifi' ? 0.03 : 0.003) * slow
  const tardy = !refused && fate > 0.996
  const took_ms = refused
    ? 750
    : tardy
      ? between(random, 5_200, 8_000)
      : logNormal(random, (device === LAMPS[0] ? 4 : 45) * slow, 0.4)
  const acked_ms = sent_ms + network_ms + took_ms
  const next = boots[boots.indexOf(boot) + 1]
  if (issued + acked_ms >= session.to_ms) {
    byRelay('expired', DEADLINE_MS, { reason: 'no result by the deadline' })
    if (received_ms + took_ms >= boot.end_ms && next) {
      byHub(next, next.start_ms + START_MS, 'interrupted', 0, { reason: 'the hub ended while it was executing' })
      byRelay('interrupted', next.start_ms + START_MS + 20 - issued, { reason: 'the hub ended while it was executing' })
    } else if (received_ms + took_ms < boot.end_ms) byHub(boot, Math.round(received_ms + took_ms), 'executed', took_ms)
    return
  }
  const because = refused ? { reason: `${device} did not answer` } : {}
  byHub(boot, Math.round(received_ms + took_ms), refused ? 'rejected' : 'executed', took_ms, because)
  if (acked_ms > DEADLINE_MS) byRelay('expired', DEADLINE_MS, { reason: 'no result by the deadline' })
  byRelay('acked', acked_ms)
  byRelay(refused ? 'rejected' : acked_ms > DEADLINE_MS ? 'late' : 'done', acked_ms, because)
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
