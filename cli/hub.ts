import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { isProblem, Problem } from '../contract/problem.ts'
import { isId } from '../contract/source.ts'
import { AGENT_VERSION, type Agent, type AgentFact, type AgentOptions, startAgent } from '../hub-agent/agent.ts'
import type { Devices } from '../hub-agent/devices.ts'
import { spareMemory, tidyUp } from '../hub-agent/frugal.ts'
import { FIRMWARE_OLD, HISTORY_COUNTER_MAX, liveTraits } from '../hub-agent/history-fleet.ts'
import { HEALTH_INTERVAL_MS, STARTED_AFTER_MS } from '../hub-agent/limits.ts'
import { recordedHome, writeRecording } from '../hub-agent/recorded-home.ts'
import { parseShift, type Recording, readRecording } from '../hub-agent/recording.ts'
import { simulatedHome } from '../hub-agent/simulated-home.ts'
import type { Disk } from '../link/disk.ts'
import { openSqliteDisk } from '../link/sqlite-disk.ts'
import type { CliContext } from './context.ts'
import { register as registerCheck } from './hub-check.ts'
import { keptFiles } from './hub-files.ts'
import { type HubIdentity, hubFolder, localIdentities, remoteIdentity } from './hub-identity.ts'
import { type ServerOptions, serversOf } from './hub-servers.ts'
import { brokerOptions, withZigbeeOptions, type ZigbeeOptions, zigbeeHome } from './hub-zigbee2mqtt.ts'
import { keepIdentity } from './identity-keeper.ts'
import { IDENTITY_LOOK_MS } from './limits.ts'
import type { Log } from './log.ts'
import type { Operations } from './operations.ts'
import { listenOnDemand } from './operations-on-demand.ts'
import { positive, whole } from './option.ts'
import { announce, isServing, processLog, untilAborted, withdraw } from './service.ts'
import { readSetting } from './setting-file.ts'

type Options = ZigbeeOptions &
  ServerOptions & {
    readonly simulated?: number
    readonly prefix: string
    readonly recorded?: string
    readonly hub?: string
    readonly device?: string[]
    readonly shift?: string
    readonly speed?: number
    readonly id?: string
    readonly code?: string
    readonly codeFile?: string
    readonly ca?: string
    readonly claim?: string
    readonly serial?: string
    readonly pace: number
    readonly health: number
    readonly look: number
  }

const EXAMPLES = `
Examples:
  hearth hub --simulated 25 --prefix demo-              simulated homes of this machine's own fleet
  hearth hub --recorded rooms --hub villa --shift P9Y   all of it at once, nine years later, times exact
  hearth hub --recorded rooms --hub villa --speed 60    as if it were now, a minute each second
  hearth hub --id kitchen-2 --claim /factory/spring --serial SN-0002 --gateway https://ingest.example:8985
  hearth hub --id kitchen-1 --code-file code.txt --relay mqtts://relay.example:8883 --gateway https://ingest.example:8985
  hearth hub --id kitchen-1 --zigbee2mqtt mqtt://localhost:1883     the devices of a real home: docs/zigbee2mqtt.md

Each hub keeps its certificate, its outbox and its command journal in <state>/hubs/<hub>/. Ctrl-C drains.`

export function register(program: Command, context: CliContext): void {
  const hub = program.command('hub')
  registerCheck(hub, context)
  const command = hub
    .description('run hubs: of simulated homes, of a recording, or of a real home')
    .option('--simulated <count>', 'this many simulated homes', whole(1, 1000))
    .option('--prefix <text>', 'ids of simulated hubs: <prefix>01, <prefix>02, …', 'hub-')
    .option('--recorded <folder>', 'a folder of Room_Attribute.csv: Unix seconds, tab, value')
    .option('--hub <id>', 'the hub that the recording becomes')
    .option('--device <id...>', 'only these devices of the recording')
    .option('--shift <time>', 'add this to the times of the recording: ms, or a duration like P9Y', '0')
    .option('--speed <factor>', 'replay as if it were now, this many times faster', positive)
    .option('--id <id>', 'one hub of a fleet elsewhere, with a simulated home or --zigbee2mqtt')
    .option('--code <code>', 'enrol with this one-time code; said again at a later start, it is no more than a name')
    .addOption(
      new Option('--code-file <file>', 'a file with the code, which no list of processes shows').conflicts('code'),
    )
    .option('--claim <folder>', 'enrol with the claim certificate of its batch: key.pem, cert.pem, ca.pem')
    .option('--serial <serial>', 'the serial of the device, with --claim')
    .option('--ca <file>', "certificate of the fleet's CA, to enrol (default: that of the state folder)")
    .option('--enrol <url>', 'where to enrol and renew (default: the gateway over HTTPS)')
    .option('--relay <url>', 'mqtts://host:port of the relay; of several, separated by commas, any one')
    .option('--gateway <url>', 'mqtts://host:port or https://host:port of the gateway')
    .option('--pace <factor>', 'simulated sensors report this many times more often', positive, 10)
    .option('--health <ms>', 'how often a hub tells how it is', whole(1000, 86_400_000), HEALTH_INTERVAL_MS)
    .option(
      '--look <ms>',
      'how often a hub asks whether to renew its certificate',
      whole(100, 86_400_000),
      IDENTITY_LOOK_MS,
    )
    .option('--json', 'notable facts as JSON, one a line')
  withZigbeeOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((options: Options) => run(context, options))
}

async function run(context: CliContext, options: Options): Promise<void> {
  if (options.zigbee2mqtt !== undefined && options.id === undefined)
    throw new Problem('invalid', 'name the hub of this home: --id kitchen-1 --zigbee2mqtt …')
  if (options.recorded !== undefined) await recorded(context, options, options.recorded)
  else if (options.simulated !== undefined) await simulated(context, options, options.simulated)
  else if (options.id !== undefined) await single(context, options, options.id)
  else throw new Problem('invalid', 'say which hub to run: --simulated, --recorded or --id (hearth hub --help)')
}

async function simulated(context: CliContext, options: Options, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => `${options.prefix}${String(i + 1).padStart(2, '0')}`)
  const bad = names.find((name) => !isId(name))
  if (bad !== undefined) throw new Problem('invalid', `${bad} is no id of a hub: a-z, 0-9, dot, dash and underscore`)
  const identities = await localIdentities(context, names, 'simulated')
  // Others, with another prefix, may run beside these.
  const name = isServing(context, 'hubs') ? `hubs-${names[0]}` : 'hubs'
  const running: Running[] = []
  let operations: Operations | undefined
  try {
    for (const [index, identity] of identities.entries()) {
      if (context.signal.aborted) break
      const { firmware, weak_radios } = liveTraits(index + 1)
      const { clock, random } = context
      const devices = simulatedHome({ clock, random, zone: identity.zone, pace: options.pace, weak_radios })
      const rssi_dbm = () => Math.round((weak_radios ? -83 : -55) + 6 * (random.float() - 0.5))
      running.push(await start(context, options, { identity, devices, firmware, rssi_dbm, floor: HISTORY_COUNTER_MAX }))
    }
    operations = await operate(context, running)
    announce(context, name, { hubs: running.length, ops_url: operations.url })
    await untilAborted(context.signal)
  } finally {
    withdraw(context, name)
    await Promise.all(running.map((each) => each.close()))
    await operations?.close()
  }
}

async function single(context: CliContext, options: Options, hub: string): Promise<void> {
  const { clock, random } = context
  spareMemory()
  // All that may be wrong is looked at before a code is spent.
  const { url } = serversOf(context, options)
  const broker = options.zigbee2mqtt === undefined ? undefined : brokerOptions(options, options.zigbee2mqtt)
  const { claim: folder, serial } = options
  if ((folder === undefined) !== (serial === undefined))
    throw new Problem(
      'invalid',
      '--claim and --serial go together: the certificate of the batch, and which device it is',
    )
  const claim = folder === undefined || serial === undefined ? {} : { claim: { folder, serial } }
  const identity = await remoteIdentity(context, {
    ...{ hub, url, ...claim },
    ...given({ code: codeOf(context, options, hub), ca: options.ca }),
  })
  const firmware = broker ? AGENT_VERSION : FIRMWARE_OLD
  const devices = broker
    ? await zigbeeHome(context, broker, hub, options.json)
    : simulatedHome({ clock, random, zone: identity.zone, pace: options.pace })
  const running = await start(context, options, { identity, devices, firmware })
  const operations = await operate(context, [running])
  const cancelTidying = clock.timer(STARTED_AFTER_MS, tidyUp)
  try {
    announce(context, `hub-${hub}`, { hub, ops_url: operations.url })
    await untilAborted(context.signal)
  } finally {
    cancelTidying()
    withdraw(context, `hub-${hub}`)
    await running.close()
    await operations.close()
  }
}

async function recorded(context: CliContext, options: Options, folder: string): Promise<void> {
  const hub = options.hub
  if (hub === undefined || !isId(hub))
    throw new Problem('invalid', 'name the hub that the recording becomes: --hub villa')
  const recording = readRecording(folder, options.device)
  for (const { file, line, reason } of recording.faults) context.note(`${file}:${line}: ${reason}`)
  if (recording.fault_count > recording.faults.length) {
    context.note(`… and ${recording.fault_count - recording.faults.length} more bad lines`)
  }
  const shift_ms = parseShift(options.shift ?? '0', recording.span_ms?.[0] ?? 0)
  const [identity] = await localIdentities(context, [hub], 'recorded')
  if (!identity) throw new Problem('missing', `hub ${hub} has no identity`)
  await (options.speed === undefined
    ? replayAll(context, options, identity, recording, shift_ms)
    : replayLive(context, options, identity, recording, shift_ms, options.speed))
}

/** Everything at once: a boot that is over, so that times are exact; ends when all of it is acknowledged. */
async function replayAll(
  context: CliContext,
  options: Options,
  identity: HubIdentity,
  recording: Recording,
  shift_ms: number,
): Promise<void> {
  const { random } = context
  const { hub, generation } = identity
  const disk = openDisk(context, hub)
  // A replay that was cut short goes on; one that is told again tells nothing twice.
  const name = `${recording.count}/${shift_ms}/${recording.series.map((series) => series.file).join(',')}`
  const facts = { hub, readings: recording.count, bad_lines: recording.fault_count, shift_ms }
  await writeRecording({ recording, name, shift_ms, disk, random, hub, generation, firmware: 'recorded' })
  const running = await start(context, options, { identity, devices: silent(), firmware: 'recorded', disk })
  try {
    await Promise.race([running.agent.flush(), untilAborted(context.signal)])
    if (context.signal.aborted) return
    const text = `${hub}: ${recording.count} readings are acknowledged, shifted by ${shift_ms} ms`
    context.print(options.json ? JSON.stringify({ fact: 'replayed', ...facts }) : text)
  } finally {
    await running.close()
  }
}

async function replayLive(
  context: CliContext,
  options: Options,
  identity: HubIdentity,
  recording: Recording,
  shift_ms: number,
  speed: number,
): Promise<void> {
  const end = new AbortController()
  const devices = recordedHome({ recording, clock: context.clock, speed, shift_ms, ended: () => end.abort() })
  const running = await start(context, options, { identity, devices, firmware: 'recorded' })
  try {
    await untilAborted(AbortSignal.any([context.signal, end.signal]))
  } finally {
    await running.close()
  }
}

/** No device at all. */
function silent(): Devices {
  return {
    list: () => [],
    actuate: (device) => Promise.reject(new Problem('invalid', `this hub replays a recording and has no ${device}`)),
    subscribe: () => () => undefined,
    close: () => Promise.resolve(),
  }
}

type Running = {
  readonly hub: string
  readonly agent: Agent
  /** Connections that are open. */
  readonly connections: ReadonlySet<'relay' | 'gateway'>
  readonly close: () => Promise<void>
}

/** What a hub of this process could not reach: said once, not by each of a thousand. */
const unreachable = new Set<'relay' | 'gateway'>()

/** Health and figures of the hubs of this process. A hub is ready when apps reach it; its telemetry can wait. */
function operate(context: CliContext, running: readonly Running[]): Promise<Operations> {
  const unready = () => {
    const away = running.filter(({ connections }) => !connections.has('relay')).map(({ hub }) => hub)
    return away.length === 0
      ? []
      : [
          `no connection to the relay: ${away.slice(0, 5).join(', ')}${away.length > 5 ? ` and ${away.length - 5} more` : ''}`,
        ]
  }
  const { config } = context
  const log = processLog(context, 'hub')
  const fault = (error: unknown) => log.failed('scrape', error)
  return listenOnDemand({
    at: { key: 'hub.ops_port', host: config.ops_host, port: config.hub.ops_port },
    load: async () => (await import('./hub-operations.ts')).hubOperations(context, running, { unready, fault }),
    fault,
  })
}

async function start(
  context: CliContext,
  options: Options,
  what: Pick<AgentOptions, 'devices' | 'firmware' | 'rssi_dbm' | 'floor'> & {
    readonly identity: HubIdentity
    readonly disk?: Disk
  },
): Promise<Running> {
  const { clock, random } = context
  const { identity, ...rest } = what
  const disk = what.disk ?? openDisk(context, identity.hub)
  const { relay, gateway, url } = serversOf(context, options)
  const { hub, generation, tls } = identity
  const log = processLog(context, 'hub')
  const connections = new Set<'relay' | 'gateway'>()
  const notice = (fact: AgentFact) => {
    if (fact.fact === 'disconnected') connections.delete(fact.from)
    if (fact.fact === 'connected') {
      connections.add(fact.to)
      unreachable.delete(fact.to)
    }
    if (fact.fact === 'unreachable') {
      if (unreachable.has(fact.to)) return
      unreachable.add(fact.to)
    }
    say(fact)
  }
  const say = (fact: AgentFact) =>
    options.json ? context.print(JSON.stringify({ hub, ...fact })) : tell(log, hub, fact)
  const agent = await startAgent({
    ...rest,
    hub,
    generation,
    tls,
    disk,
    clock,
    random,
    relay,
    gateway,
    health_ms: options.health,
    notice,
  })
  const stopKeeping = keepIdentity(context, { identity, url, look_ms: options.look, log })
  return {
    hub,
    agent,
    connections,
    async close() {
      stopKeeping()
      await agent.close()
      disk.close()
    },
  }
}

function openDisk(context: CliContext, hub: string): Disk {
  try {
    return openSqliteDisk(join(hubFolder(context, hub), 'agent.db'))
  } catch (error) {
    if (!isProblem(error, 'conflict')) throw error
    const text = `another process runs the hub ${hub} on ${context.home}: end it first, or run a hub of another name`
    throw new Problem('conflict', text, { cause: error })
  }
}

/** A file with a code may be gone once the hub has what it was for. */
function codeOf(context: CliContext, { code, codeFile }: Options, hub: string): string | undefined {
  if (codeFile === undefined) return code
  if (!existsSync(codeFile) && keptFiles(hubFolder(context, hub))) return undefined
  return readSetting('--code-file', codeFile).trim()
}

/** Without what is undefined, for options that are either there or not. */
function given<T extends Readonly<Record<string, string | undefined>>>(options: T): { [K in keyof T]?: string } {
  const found: { [K in keyof T]?: string } = {}
  for (const key in options) if (options[key] !== undefined) found[key] = options[key]
  return found
}

function tell(log: Log, hub: string, fact: AgentFact): void {
  const { fact: event, ...fields } = fact
  const level = ['fault', 'refused', 'unreachable'].includes(event) ? 'warn' : 'info'
  log[level](event, `${hub}: ${sentence(fact)}`, { hub, ...fields })
}

function sentence(fact: AgentFact): string {
  if (fact.fact === 'boot') return `boot ${fact.boot}${fact.crashed ? ', the one before did not end cleanly' : ''}`
  if (fact.fact === 'connected') return `connected to the ${fact.to} as ${fact.epoch}`
  if (fact.fact === 'disconnected') return `disconnected from the ${fact.from}: ${fact.reason}`
  if (fact.fact === 'unreachable') {
    const advice = fact.reason.includes('ECONNREFUSED') ? '; hearth up starts it' : ''
    return `the ${fact.to} at ${fact.at} cannot be reached, and is tried again: ${fact.reason}${advice}`
  }
  if (fact.fact === 'refused') return `batch ${fact.boot} ${fact.stream} ${fact.first} was refused: ${fact.reason}`
  return `fault: ${fact.message}`
}
