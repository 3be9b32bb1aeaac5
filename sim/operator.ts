import { replay } from '../ingest/dead-letters.ts'
import type { IngestNode } from './ingest-node.ts'
import { Machine } from './machine.ts'
import type { Row } from './row-encoder.ts'
import type { Life, World } from './world.ts'

const LOOK_MS = 10_000
const CHOSEN_CHANCE = 0.5
const CORRECTED_CHANCE = 0.8

/** Somebody looks through the dead letters, and gives some to the writer again: corrected or not, at times twice. */
export class Operator {
  readonly #machine: Machine<boolean>
  quiet = false

  constructor(world: World, ingest: IngestNode, rows: () => readonly Row[]) {
    this.#machine = new Machine(world, 'operator', async (life) => {
      this.#work(world, life, ingest, rows).catch((error: unknown) => this.#machine.fail(life, error))
      return true
    })
  }

  start(): void {
    this.#machine.start()
  }

  async #work(world: World, life: Life, ingest: IngestNode, rows: () => readonly Row[]): Promise<void> {
    const log = ingest.openLog(life)
    while (!this.quiet) {
      await world.pause(life, world.between(0, 2 * LOOK_MS))
      for (const { source, boot, stream, seq, line } of rows().filter((row) => row.kind === 'dead' && row.seq >= 0)) {
        if (this.quiet || world.random.float() >= CHOSEN_CHANCE) continue
        const about = { id: '', log_id: log.id, reason: '', firmware: undefined, agent: undefined }
        const times = { received_ms: life.clock.now(), now_ms: undefined, wall_ms: undefined }
        const corrected = JSON.stringify({ ...JSON.parse(line), m: 0 })
        const letter = { ...about, ...times, source, boot, stream, seq, line }
        await replay(log, letter, world.random.float() < CORRECTED_CHANCE ? corrected : line)
      }
    }
  }
}
