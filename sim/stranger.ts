import { eventsCrc, PROTOCOL_VERSION } from '../contract/batch.ts'
import { isProblem } from '../contract/problem.ts'
import type { IngestNode } from './ingest-node.ts'
import { sendBatch } from './network.ts'
import type { AcknowledgedListener } from './shipping.ts'
import type { Life, World } from './world.ts'

const IDENTITY = { source: 'hub-x', role: 'hub', generation: 1 } as const
const BOOT = '1-1-00000abc'
const EVERY_MS = 3_000

/** What is wrong with a batch: its lines, its name, or nothing. A batch that is refused uses its numbers up. */
const FORMS = ['good', 'good', 'crc', 'crc', 'count', 'generation', 'stream', 'again'] as const

type Batch = { readonly first: number; readonly count: number; readonly bytes: Buffer }

/** A hub of another make, whose firmware forms batches that cannot be read, and sends each until it has an answer. */
export class Stranger {
  quiet = false
  #next = 0
  /** What it has no answer for. */
  #batch: Batch | undefined
  readonly #world: World
  readonly #ingest: IngestNode
  readonly #acknowledged: AcknowledgedListener

  constructor(world: World, ingest: IngestNode, acknowledged: AcknowledgedListener) {
    this.#world = world
    this.#ingest = ingest
    this.#acknowledged = acknowledged
  }

  atRest(): boolean {
    return this.#batch === undefined
  }

  start(): void {
    const life = this.#world.live(IDENTITY.source, () => this.start())
    const failed = (error: unknown) => this.#world.bugs.push(`${IDENTITY.source}: ${String(error)}`)
    const turn = () =>
      this.#world.later(life, this.#world.between(0, 2 * EVERY_MS), () => {
        if (!this.quiet) this.#batch ??= this.#form(life)
        if (this.#batch) this.#send(life, this.#batch).then(turn, failed)
        else turn()
      })
    turn()
  }

  #form(life: Life): Batch {
    const form = this.#world.pick(FORMS)
    const count = Math.floor(this.#world.between(1, 4))
    const first = form === 'again' ? Math.max(0, this.#next - count) : this.#next
    const isNamed = form !== 'generation' && form !== 'stream'
    if (isNamed) this.#next = Math.max(this.#next, first + count)
    const lines = Array.from({ length: count }, (_, i) => `${JSON.stringify({ m: i, kind: 'reading', value: i })}\n`)
    const text = lines.join('')
    const header = {
      ...{ hearth: PROTOCOL_VERSION, first, count, next: first + count, acked: 0, wall: life.clock.now() },
      boot: form === 'generation' ? BOOT.replace('1-', '2-') : BOOT,
      stream: form === 'stream' ? 'diary' : 'readings',
      ...{ firmware: '0.0.1', agent: '0.0.1', dropped: [], previous: [] },
      crc: form === 'crc' || form === 'again' ? '00000000' : eventsCrc(text),
    }
    return { first, count, bytes: Buffer.from(`${JSON.stringify(header)}\n${form === 'count' ? text + text : text}`) }
  }

  async #send(life: Life, { bytes, first, count }: Batch): Promise<void> {
    const { source } = IDENTITY
    try {
      const { kind } = await sendBatch(this.#world, life, IDENTITY, bytes, () => this.#ingest.gateway())
      if (kind === 'durable') this.#acknowledged({ source, boot: BOOT, stream: 'readings', first, count })
      this.#batch = undefined
    } catch (error) {
      if (!isProblem(error)) throw error
    }
  }
}
