import { bucketOf, type Layout, serviceStream } from '../contract/bucket.ts'
import { replay } from '../ingest/dead-letters.ts'
import type { IngestNode } from './ingest-node.ts'
import { Machine } from './machine.ts'
import type { Row } from './row-encoder.ts'
import type { Life, World } from './world.ts'

const LOOK_MS = 10_000
const CHOSEN_CHANCE = 0.5
const CORRECTED_CHANCE = 0.8

/** Whom services tell of: how the lake deals them out, who is there, and who is to be erased. */
export type Subjects = { readonly layout: Layout; readonly hubs: readonly string[]; readonly erased: string }

/** Somebody looks through the dead letters, and gives some to the writer again: corrected or not, at times twice. */
export class Operator {
  readonly #machine: Machine<boolean>
  quiet = false

  constructor(world: World, ingest: IngestNode, rows: () => readonly Row[], subjects: Subjects) {
    this.#machine = new Machine(world, 'operator', async (life) => {
      this.#work(world, life, ingest, rows, subjects).catch((error: unknown) => this.#machine.fail(life, error))
      return true
    })
  }

  start(): void {
    this.#machine.start()
  }

  async #work(
    world: World,
    life: Life,
    ingest: IngestNode,
    rows: () => readonly Row[],
    subjects: Subjects,
  ): Promise<void> {
    const log = ingest.openLog(life)
    // What was said of somebody who is to be erased nobody brings back.
    const mayBeReplayed = ({ kind, seq, line }: Row) =>
      kind === 'dead' && seq >= 0 && !line.includes(JSON.stringify(subjects.erased))
    while (!this.quiet) {
      await world.pause(life, world.between(0, 2 * LOOK_MS))
      for (const { source, boot, stream, seq, line } of rows().filter(mayBeReplayed)) {
        if (this.quiet || world.random.float() >= CHOSEN_CHANCE) continue
        const about = { id: '', log_id: log.id, reason: '', firmware: undefined, agent: undefined }
        const times = { received_ms: life.clock.now(), now_ms: undefined, wall_ms: undefined }
        const letter = { ...about, ...times, source, boot, stream, seq, line }
        await replay(log, letter, world.random.float() < CORRECTED_CHANCE ? corrected(line, stream, subjects) : line)
      }
    }
  }
}

/** The same as an event; a service's, of a hub that its stream may tell of. */
function corrected(text: string, stream: string, { layout, hubs }: Subjects): string {
  const hub = hubs.find((one) => serviceStream(layout.epoch, bucketOf(one, layout.buckets)) === stream)
  return JSON.stringify({ m: 0, kind: 'log', text, hub })
}
