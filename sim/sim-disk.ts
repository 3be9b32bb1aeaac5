import type { Event } from '../contract/event.ts'
import type { Disk, DiskChange } from '../link/disk.ts'
import { type MemoryDisk, memoryDisk } from '../link/memory-disk.ts'
import { linesAt } from '../link/outbox-store.ts'
import { eventKey } from './evidence.ts'
import type { Death, Life, World } from './world.ts'

type Restore = { readonly copied_ms: number; readonly lost_ms: number; readonly events: ReadonlySet<string> }
type Copy = {
  readonly at_ms: number
  readonly entries: ReturnType<Disk['scan']>
  /** Events that were given a number by then. */
  readonly numbered: ReadonlySet<string>
}
export type Stage = { readonly event: string; readonly stage: string }

/** The disk of one machine, which outlives its processes. */
export class SimDisk {
  /** Events that an outbox on this disk ever gave a number, by `eventKey`. */
  readonly numbered = new Set<string>()
  /** Those of them that a power cut took before they were synced. */
  readonly taken = new Set<string>()
  /** Of each command, the events on this disk that told a stage of it. */
  readonly stages = new Map<string, Stage[]>()
  /** Commands of which the disk would not take an event. */
  readonly refused = new Set<string>()
  /** Events that were given a number, and are not on the copy that the disk was restored from. */
  readonly rolledBack = new Set<string>()
  /** When the disk came back as an old copy: when that was made, when the disk was lost, and which boots are on both. */
  readonly restores: Restore[] = []
  readonly #copy_chance: number
  #copy: Copy | undefined
  #restored = false
  #platter: MemoryDisk = memoryDisk()
  /** Of each write that a power cut may take, the events that it brought. */
  #unsynced: (readonly string[])[] = []
  #power = false
  #stale = false

  constructor(copy_chance = 0) {
    this.#copy_chance = copy_chance
  }

  /** Which stages of a command an outbox on this disk has told, or still will. */
  stagesOf(command: string): readonly string[] {
    return (this.stages.get(command) ?? []).filter(({ event }) => !this.taken.has(event)).map(({ stage }) => stage)
  }

  /** The machine's process died; what it left is settled when the next one opens the disk. */
  died({ power, restored }: Death): void {
    this.#restored ||= restored
    this.#stale = true
    this.#power ||= power
  }

  /** The disk as the process of `source` sees it: each write and sync is a step, and a ghost changes nothing. */
  open(world: World, life: Life, source: string): Disk {
    if (this.#stale && this.#restored && this.#copy) this.#restore(world, this.#copy)
    else if (this.#stale && this.#power) this.#loseWrites(world)
    else if (this.#stale) this.#platter = this.#platter.kill()
    this.#stale = false
    this.#power = false
    this.#restored = false
    this.#perhapsCopy(world)
    const platter = this.#platter
    const linesOf = (changes: readonly DiskChange[]) =>
      changes.flatMap((change) => {
        if (!('put' in change)) return []
        return linesAt(change.put, change.value).map(({ line, ...at }) => {
          const { command, stage }: Event = JSON.parse(line)
          return { event: eventKey({ source, ...at }), command, stage }
        })
      })
    return {
      get: (key) => platter.get(key),
      scan: (from, to, limit) => platter.scan(from, to, limit),
      write: (changes) => {
        const lines = linesOf(changes)
        const effect = () => {
          platter.write(changes)
          for (const { event, command, stage } of lines) {
            this.numbered.add(event)
            if (command === undefined || stage === undefined) continue
            this.stages.set(command, [...(this.stages.get(command) ?? []), { event, stage }])
          }
          this.#unsynced.push(lines.map(({ event }) => event))
        }
        try {
          world.write(life, 'disk.write', effect)
        } catch (error) {
          for (const { command } of lines) if (command !== undefined) this.refused.add(command)
          throw error
        }
      },
      sync: () =>
        world.call(life, 'disk.sync', async () => {
          await platter.sync()
          this.#unsynced.splice(0, this.#unsynced.length - platter.unsynced)
          this.#perhapsCopy(world)
        }),
      close: () => undefined,
    }
  }

  #perhapsCopy(world: World) {
    if (this.#copy_chance === 0 || world.random.float() >= this.#copy_chance) return
    this.#copy = {
      at_ms: world.scheduler.now_ms,
      entries: this.#platter.scan('', '\u{10ffff}'),
      numbered: new Set([...this.numbered].filter((event) => !this.taken.has(event) && !this.rolledBack.has(event))),
    }
  }

  #restore(world: World, { at_ms, entries, numbered }: Copy) {
    for (const event of this.numbered) if (!numbered.has(event) && !this.taken.has(event)) this.rolledBack.add(event)
    for (const event of numbered) this.taken.delete(event)
    this.restores.push({ copied_ms: at_ms, lost_ms: world.scheduler.now_ms, events: numbered })
    this.#unsynced = []
    const fresh = memoryDisk()
    fresh.write(entries.map(({ key, value }) => ({ put: key, value })))
    this.#platter = fresh.crash(1)
  }

  /** Writes reach the platter in their order: of those since the last sync some of the first may be there. */
  #loseWrites(world: World) {
    const kept = world.pick([0, Math.floor(world.between(0, this.#unsynced.length + 1))])
    for (const events of this.#unsynced.slice(kept)) for (const event of events) this.taken.add(event)
    this.#unsynced = []
    this.#platter = this.#platter.crash(kept)
  }
}
