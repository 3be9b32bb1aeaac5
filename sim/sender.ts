import { type BatchHeader, eventsCrc, PROTOCOL_VERSION } from '../contract/batch.ts'
import { isProblem } from '../contract/problem.ts'
import type { Identity } from '../contract/source.ts'
import type { IngestNode } from './ingest-node.ts'
import { sendBatch } from './network.ts'
import type { Life, World } from './world.ts'

export type Formed = Pick<BatchHeader, 'boot' | 'stream' | 'first' | 'count'> & { readonly bytes: Buffer }

/** One who forms batches without an outbox, and sends each until it has an answer. */
export class Sender {
  quiet = false
  /** What it has no answer for. */
  #batch: Formed | undefined
  readonly #identity: Identity
  readonly #world: World
  readonly #ingest: IngestNode
  readonly #every_ms: number
  readonly #form: (life: Life) => Formed
  readonly #durable: (batch: Formed) => void

  constructor(options: {
    readonly identity: Identity
    readonly world: World
    readonly ingest: IngestNode
    readonly every_ms: number
    readonly form: (life: Life) => Formed
    readonly durable?: (batch: Formed) => void
  }) {
    this.#identity = options.identity
    this.#world = options.world
    this.#ingest = options.ingest
    this.#every_ms = options.every_ms
    this.#form = options.form
    this.#durable = options.durable ?? (() => undefined)
  }

  atRest(): boolean {
    return this.#batch === undefined
  }

  start(): void {
    const { source } = this.#identity
    const life = this.#world.live(source, () => this.start())
    const failed = (error: unknown) => this.#world.bugs.push(`${source}: ${String(error)}`)
    const turn = () =>
      this.#world.later(life, this.#world.between(0, 2 * this.#every_ms), () => {
        if (!this.quiet) this.#batch ??= this.#form(life)
        if (this.#batch) this.#send(life, this.#batch).then(turn, failed)
        else turn()
      })
    turn()
  }

  async #send(life: Life, batch: Formed): Promise<void> {
    try {
      const { kind } = await sendBatch(this.#world, life, this.#identity, batch.bytes, () => this.#ingest.gateway())
      if (kind === 'durable') this.#durable(batch)
      this.#batch = undefined
    } catch (error) {
      if (!isProblem(error)) throw error
    }
  }
}

/** A batch of these lines under a header, of which `changed` is otherwise than it should be. */
export function formed(
  about: Pick<BatchHeader, 'boot' | 'stream' | 'first' | 'wall' | 'now'>,
  lines: readonly string[],
  changed: Partial<BatchHeader> = {},
): Formed {
  const text = lines.map((line) => `${line}\n`).join('')
  const header: BatchHeader = {
    ...{ hearth: PROTOCOL_VERSION, ...about, count: lines.length, next: about.first + lines.length, acked: 0 },
    ...{ firmware: '0.0.1', agent: '0.0.1', dropped: [], previous: [], crc: eventsCrc(text), ...changed },
  }
  const { boot, stream, first, count } = header
  return { boot, stream, first, count, bytes: Buffer.from(`${JSON.stringify(header)}\n${text}`) }
}
