import type { Disk } from '../link/disk.ts'
import { type MemoryDisk, memoryDisk } from '../link/memory-disk.ts'
import type { Life, World } from './world.ts'

/** The disk of one machine, which outlives its processes. */
export class SimDisk {
  #platter: MemoryDisk = memoryDisk()
  #power = false
  #stale = false

  /** The machine's process died; what it left is settled when the next one opens the disk. */
  died(power: boolean): void {
    this.#stale = true
    this.#power ||= power
  }

  /** The disk as this process sees it: each write and sync is a step, and a ghost changes nothing. */
  open(world: World, life: Life): Disk {
    if (this.#stale) this.#platter = this.#power ? this.#platter.crash() : this.#platter.kill()
    this.#stale = false
    this.#power = false
    const platter = this.#platter
    return {
      get: (key) => platter.get(key),
      scan: (from, to, limit) => platter.scan(from, to, limit),
      write: (changes) => world.write(life, 'disk.write', () => platter.write(changes)),
      sync: () => world.call(life, 'disk.sync', () => platter.sync()),
      close: () => undefined,
    }
  }
}
