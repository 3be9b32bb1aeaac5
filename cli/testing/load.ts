/**
 * A load of telemetry that knows what it was promised: hubs over mutual TLS, by MQTT and by HTTPS, that send, send
 * again, begin new boots, and write each acknowledgement down outside the system before they believe it.
 */
import type { BatchAnswer } from '../../contract/batch.ts'
import { type Clock, type Random, sleep } from '../../contract/clock.ts'
import { topics } from '../../contract/command.ts'
import { assert, isProblem, Problem } from '../../contract/problem.ts'
import { type ClientTls, connectMqtt, type MqttConnection } from '../../link/mqtt-connection.ts'
import { batchPoster } from '../../link/post-batch.ts'
import { openAckWriter } from './ack-writer.ts'
import { type LoadBatch, type LoadSource, openLoadSource } from './load-source.ts'

export type LoadHub = {
  readonly hub: string
  readonly generation: number
  readonly via: 'mqtt' | 'https'
  readonly tls: ClientTls
  /** See load-source.ts. */
  readonly level?: 'number' | 'word'
}

export type LoadPlan = {
  readonly host: string
  /** Where a connection goes, and another each time that one is lost. */
  readonly gateways: readonly { readonly mqtt: number; readonly https: number }[]
  readonly hubs: readonly LoadHub[]
  /** Where each acknowledgement is written, one (source, boot, stream, first, count) a line. */
  readonly journal: string
  /** Batches of one hub in flight. */
  readonly lanes: number
  /** Events of a batch, at most. */
  readonly events_max: number
  /** Between two batches of a lane. */
  readonly pause_ms: number
  /** Shares of batches: sent once more after their answer, sent twice at once, followed by a new boot. */
  readonly again: number
  readonly twice: number
  readonly reboot: number
  /** Share of events that are no events: rows of kind `dead`. */
  readonly malformed: number
}

export type LoadCounts = {
  /** Events and batches that are in the journal. */
  readonly events: number
  readonly batches: number
  /** Transmissions that were answered beyond the first of their batch: duplicates for the writer to remove. */
  readonly repeats: number
  /** Transmissions without an answer. */
  readonly unanswered: number
  readonly refused: readonly string[]
  readonly boots: number
  /** The longest time in which no batch of any hub was acknowledged. */
  readonly longest_gap_ms: number
}

const RETRY_MS = 150
const CONNECT_MS = 1_500
const ANSWER_MS = 10_000
/** A source tells of at most 40 earlier boots; with so many untold it begins no more. */
const OPEN_BOOTS_MAX = 20

type Send = (bytes: Buffer) => Promise<BatchAnswer>

/** Sends until `signal` aborts, then what is under way until it is acknowledged, and the account of each hub. */
export async function runLoad(plan: LoadPlan, clock: Clock, random: Random, signal: AbortSignal): Promise<LoadCounts> {
  const acks = openAckWriter(plan.journal)
  const counts = { events: 0, batches: 0, repeats: 0, unanswered: 0, boots: 0, refused: new Array<string>() }
  let last_ms = clock.monotonic()
  let longest_gap_ms = 0

  /** Sends one batch until it is answered; in the journal when this resolves. */
  async function deliver(source: LoadSource, batch: LoadBatch, send: Send): Promise<void> {
    const once = async () => {
      const { bytes, acknowledged } = source.transmit(batch)
      const answer = await send(bytes)
      if (answer.kind === 'refused') {
        counts.refused.push(`${source.hub} ${batch.boot} ${batch.stream} ${batch.first}: ${answer.reason}`)
      }
      return acknowledged
    }
    const twice = random.float() < plan.twice ? once().catch(() => undefined) : undefined
    for (;;) {
      try {
        const acknowledged = await once()
        if (batch.count > 0) {
          const { boot, stream, first, count } = batch
          await acks.write({ source: source.hub, boot, stream, first, count })
          counts.events += count
          counts.batches++
          const now_ms = clock.monotonic()
          longest_gap_ms = Math.max(longest_gap_ms, now_ms - last_ms)
          last_ms = now_ms
        }
        acknowledged()
        break
      } catch (error) {
        if (!isProblem(error)) throw error
        counts.unanswered++
        await sleep(clock, RETRY_MS * (0.5 + random.float()))
      }
    }
    if (await twice) counts.repeats++
    // Its first answer is in the journal: this one is not written again, and it may get none.
    if (random.float() < plan.again && (await once().catch(() => undefined))) counts.repeats++
  }

  async function lane(source: LoadSource, send: Send): Promise<void> {
    while (!signal.aborted) {
      const stream = random.float() < 0.7 ? 'readings' : 'control'
      await deliver(source, source.form(stream, 1 + Math.floor(random.float() * plan.events_max)), send)
      if (random.float() < plan.reboot && source.openBoots() < OPEN_BOOTS_MAX) {
        source.reboot()
        counts.boots++
      }
      await sleep(clock, plan.pause_ms * 2 * random.float(), signal).catch(() => undefined)
    }
  }

  async function hub(one: LoadHub): Promise<void> {
    const source = openLoadSource({ ...one, malformed: plan.malformed, clock, random })
    counts.boots++
    const link = one.via === 'mqtt' ? overMqtt(plan, one, source, clock, random) : overHttps(plan, one, random)
    await Promise.all(Array.from({ length: plan.lanes }, () => lane(source, link.send)))
    for (const stream of ['control', 'readings'] as const) await deliver(source, source.form(stream, 0), link.send)
    await link.close()
  }

  await Promise.all(plan.hubs.map(hub))
  acks.close()
  return { ...counts, longest_gap_ms }
}

type Link = { readonly send: Send; close(): Promise<void> }

function overHttps(plan: LoadPlan, { tls }: LoadHub, random: Random): Link {
  const posters = plan.gateways.map(({ https }) =>
    batchPoster({ url: `https://${plan.host}:${https}`, tls, connections_max: plan.lanes }),
  )
  return {
    async send(bytes) {
      const poster = choose(posters, random)
      return await poster.post(bytes, AbortSignal.timeout(ANSWER_MS))
    },
    close: async () => posters.forEach((poster) => poster.close()),
  }
}

function choose<T>(some: readonly T[], random: Random): T {
  const one = some[Math.floor(random.float() * some.length)]
  assert(one !== undefined, 'there is one to choose')
  return one
}

/** Connects anew at once, without the back-off of a hub: a load is to be there when the gateway is. */
function overMqtt(plan: LoadPlan, { hub, tls }: LoadHub, source: LoadSource, clock: Clock, random: Random): Link {
  const closing = new AbortController()
  let connection: MqttConnection | undefined

  async function session(): Promise<void> {
    const over = new AbortController()
    const cancel = clock.timer(CONNECT_MS, () => connection?.connected || over.abort())
    const signal = AbortSignal.any([over.signal, closing.signal])
    const { host } = plan
    const { mqtt: port } = choose(plan.gateways, random)
    connection = connectMqtt({
      ...{ host, port, tls, hub, epoch: source.epoch, clock, random, signal },
      disconnected: () => over.abort(),
    })
    await connection.done
    cancel()
    await sleep(clock, RETRY_MS * random.float())
  }
  const running = (async () => {
    while (!closing.signal.aborted) await session()
  })()

  return {
    async send(bytes) {
      if (!connection?.connected) throw new Problem('unavailable', 'not connected')
      const late = AbortSignal.timeout(ANSWER_MS)
      // A gateway that is frozen keeps its connections open: another may answer.
      late.addEventListener('abort', () => connection?.reconnect())
      return await connection.publish(topics.telemetry(hub), bytes, late)
    },
    async close() {
      closing.abort()
      await running
    },
  }
}
