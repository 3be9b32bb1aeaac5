/** A relay and a gateway that do what a script says, for one hub that connects to them. */
import { type BatchHeader, batchHeader, eventsCrc } from '../../contract/batch.ts'
import { type Clock, type Random, randomHex } from '../../contract/clock.ts'
import {
  type AttributeValue,
  commandHash,
  type HubBound,
  type RelayBound,
  relayBound,
  topics,
} from '../../contract/command.ts'
import { messageOf } from '../../contract/problem.ts'
import { parseEpoch, type SessionEpoch } from '../../contract/source.ts'
import { unpack } from '../batch-codec.ts'
import { CHECK_WAIT_MS, HUB_WAIT_MS } from '../limits.ts'
import { listenMqtt, type MqttEndpointOptions, type ServerTls } from '../mqtt-endpoint.ts'
import type { ConnectAnswer, MessageAnswer, MqttSession } from '../mqtt-handler.ts'
import { openWatch, type Watch } from './watch.ts'

export type HubBenchOptions = {
  readonly host: string
  readonly relay_port: number
  readonly gateway_port: number
  readonly tls: ServerTls
  readonly fleet: string
  readonly hub: string
  readonly generation: number
  /** A device of the hub, and what may be set of it without harm. */
  readonly device: string
  readonly set: Readonly<Record<string, AttributeValue>>
  readonly clock: Clock
  readonly random: Random
  /** Asks whoever sits beside the hub. */
  readonly ask: (text: string) => void
  /** Told of each connection that was turned away before it was a session, and why. */
  readonly turnedAway?: (at: 'relay' | 'gateway', reason: string, address: string) => void
}

type Command = Extract<HubBound, { type: 'command' }>
export type Result = Extract<RelayBound, { type: 'result' }>

/** A batch as it came. `fault`: what is wrong with it. */
export type ReceivedBatch = {
  readonly header: BatchHeader | undefined
  readonly lines: readonly string[]
  readonly fault: string | undefined
}

export type HubBench = HubBenchOptions & {
  readonly watch: Watch
  readonly relayUrl: string
  readonly gatewayUrl: string
  /** The hub's attempts to connect to the relay, refused ones too, in ms of the monotonic clock. */
  readonly attempts: readonly { readonly epoch: SessionEpoch; readonly at_ms: number }[]
  /**
   * Until the hub is subscribed, in a session later than `after` where that is given; undefined: it did not come, or is
   * `absent`.
   */
  session(after?: MqttSession, wait_ms?: number): Promise<MqttSession | undefined>
  /** It was waited for in vain, and has not come since. */
  readonly absent: boolean
  /** Why a connection was last turned away before it was a session. */
  readonly refusal: string | undefined
  /** How the relay answers CONNECT from now on. */
  answer(how: () => ConnectAnswer): void
  /** A new command for this session; what is given is said in place of the truth. */
  command(session: MqttSession, over?: Partial<Command>): Command
  send(session: MqttSession, command: Command): void
  /** Results of a command, in order. */
  results(id: string): readonly Result[]
  /** The first result of a command that ends it; undefined when there is none in time. */
  end(id: string): Promise<Result | undefined>
  /** The first result of a command after so many others, whichever it is; undefined when there is none in time. */
  next(id: string, after: number): Promise<Result | undefined>
  /** Messages of the hub to the relay. */
  readonly published: number
  /** Those that are no result nor state. */
  readonly nonsense: readonly string[]
  readonly batches: readonly ReceivedBatch[]
  /** How the gateway answers the next batches. `hold`: never, and then the connection is cut. */
  telemetry(how: 'take' | 'hold'): void
  close(): Promise<void>
}

/** Raises `unavailable` when a port cannot be had. */
export async function openHubBench(options: HubBenchOptions): Promise<HubBench> {
  const { clock, random, hub, device, set } = options
  const watch = openWatch(clock)
  const attempts: { epoch: SessionEpoch; at_ms: number }[] = []
  const results: Result[] = []
  const nonsense: string[] = []
  const batches: ReceivedBatch[] = []
  let subscribed: MqttSession | undefined
  let missed = false
  let refusal: string | undefined
  let published = 0
  let answer: () => ConnectAnswer = () => ({ accept: true })
  /** By a check, just now. */
  let refused = false
  let telemetry: 'take' | 'hold' = 'take'

  const common = {
    ...{ host: options.host, tls: options.tls, fleet: options.fleet, clock },
    authorise: ({ source }) =>
      source === hub
        ? { ok: true }
        : { ok: false, reason: `expected the certificate of ${hub}, found that of ${source}` },
  } satisfies Partial<MqttEndpointOptions>

  const relay = await listenMqtt({
    ...common,
    port: options.relay_port,
    refused: turnedAway('relay'),
    publishTopics: ({ source }) => [topics.result(source)],
    subscribeTopics: ({ source }) => [topics.command(source)],
    handler: {
      connect({ epoch }) {
        attempts.push({ epoch: parseEpoch(epoch), at_ms: clock.monotonic() })
        watch.look()
        const said = answer()
        refused = !said.accept
        return said
      },
      subscribed(session) {
        subscribed = session
        publish(session, { hearth: 1, type: 'clock', stamp: clock.monotonic() })
        watch.look()
      },
      message(_session, { payload }): MessageAnswer {
        published++
        const said = parse(payload)
        if (said?.type === 'result') results.push(said)
        else if (!said) nonsense.push(payload.toString('utf8').slice(0, 200))
        watch.look()
        return undefined
      },
      closed(session) {
        if (subscribed === session) subscribed = undefined
        watch.look()
      },
    },
  })
  const gateway = await listenMqtt({
    ...common,
    port: options.gateway_port,
    refused: turnedAway('gateway'),
    packet_max_bytes: 1_049_600,
    receive_max: 8,
    publishTopics: ({ source }) => [topics.telemetry(source)],
    subscribeTopics: ({ source }) => [topics.refused(source)],
    handler: {
      message(session, { payload }): MessageAnswer | Promise<MessageAnswer> {
        const held = telemetry === 'hold'
        batches.push(readBatch(payload))
        watch.look()
        if (!held) return undefined
        session.close({ kind: 'lost', planned: false, text: 'the check cut it' })
        return new Promise(() => undefined)
      },
    },
  }).catch(async (error: unknown) => {
    await relay.close()
    throw error
  })

  function turnedAway(at: 'relay' | 'gateway') {
    return (reason: string, address: string) => {
      const isOnPurpose = refused
      refused = false
      if (isOnPurpose) return
      refusal = `${at}: ${reason}`
      options.turnedAway?.(at, reason, address)
    }
  }

  const isAbsent = () => missed && subscribed === undefined

  function publish(session: MqttSession, message: HubBound) {
    session.publish(topics.command(hub), Buffer.from(JSON.stringify(message)))
  }

  return {
    ...options,
    ...{ watch, attempts, nonsense, batches, relayUrl: relay.url, gatewayUrl: gateway.url },
    async session(after, wait_ms = HUB_WAIT_MS) {
      if (isAbsent()) return undefined
      missed = !(await watch.until(() => subscribed !== undefined && subscribed !== after, wait_ms))
      return subscribed === after ? undefined : subscribed
    },
    get absent() {
      return isAbsent()
    },
    get refusal() {
      return refusal
    },
    get published() {
      return published
    },
    answer(how) {
      answer = how
    },
    command: (session, over = {}) => ({
      ...{
        hearth: 1,
        type: 'command',
        command: randomHex(random, 16),
        hash: commandHash({ device, set }),
        device,
        set,
      },
      ...{ issued: clock.now(), stamp: clock.monotonic(), left_ms: CHECK_WAIT_MS, epoch: session.epoch },
      ...over,
    }),
    send: publish,
    results: (id) => results.filter(({ command }) => command === id),
    async end(id) {
      const find = () => results.find(({ command, stage }) => command === id && stage !== 'received')
      await watch.until(() => find() !== undefined, CHECK_WAIT_MS)
      return find()
    },
    async next(id, after) {
      const find = () => results.filter(({ command }) => command === id)[after]
      await watch.until(() => find() !== undefined, CHECK_WAIT_MS)
      return find()
    },
    telemetry(how) {
      telemetry = how
    },
    async close() {
      await Promise.all([relay.close(), gateway.close()])
    },
  }
}

function parse(payload: Buffer): RelayBound | undefined {
  try {
    return relayBound.safeParse(JSON.parse(payload.toString('utf8'))).data
  } catch {
    return undefined // not JSON
  }
}

/** Reads a batch as docs/hub-protocol.md describes it, and says what does not fit. */
export function readBatch(bytes: Buffer): ReceivedBatch {
  try {
    const plain = unpack(bytes)
    const end = plain.indexOf(0x0a)
    if (end < 0) return { header: undefined, lines: [], fault: 'there is no line of a header' }
    const parsed = batchHeader.safeParse(JSON.parse(plain.subarray(0, end).toString('utf8')))
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      return { header: undefined, lines: [], fault: `header: ${issue?.path.join('.')}: ${issue?.message}` }
    }
    const { data: header } = parsed
    const body = plain.subarray(end + 1)
    const lines = body.toString('utf8').split('\n').slice(0, -1)
    return { header, lines, fault: faultOf(header, body, lines) }
  } catch (error) {
    return { header: undefined, lines: [], fault: messageOf(error) }
  }
}

function faultOf(header: BatchHeader, body: Buffer, lines: readonly string[]): string | undefined {
  const { first, count, next, acked, crc } = header
  if (body.length > 0 && body.at(-1) !== 0x0a) return 'the last line does not end with \\n'
  if (lines.length !== count) return `count says ${count}, and there are ${lines.length} lines`
  if (first + count > next) return `first ${first} + count ${count} is above next ${next}`
  if (acked > next) return `acked ${acked} is above next ${next}`
  const found = eventsCrc(body)
  if (found !== crc) return `crc says ${crc}, and that of the lines is ${found}`
  for (const [i, line] of lines.entries()) {
    const event: unknown = JSON.parse(line)
    if (typeof event !== 'object' || event === null || !('m' in event) || typeof event.m !== 'number')
      return `event ${first + i} has no m`
    if (!('kind' in event) || typeof event.kind !== 'string') return `event ${first + i} has no kind`
  }
  return undefined
}
