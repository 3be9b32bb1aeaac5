import { statfsSync } from 'node:fs'
import type { Registry } from 'prom-client'
import { figuresIn } from './figure.ts'

/** How much room the disk of the state folder has: of every process, since each writes there. */
export function diskFigures(metrics: Registry, home: string): void {
  const { gauge } = figuresIn(metrics)
  const room = (of: (disk: { bavail: number; blocks: number }) => number) => () => {
    const disk = statfsSync(home)
    return of(disk) * disk.bsize
  }
  gauge(
    'hearth_state_folder_free_bytes',
    'Room left on the disk of the state folder.',
    room(({ bavail }) => bavail),
  )
  gauge(
    'hearth_state_folder_size_bytes',
    'Size of that disk.',
    room(({ blocks }) => blocks),
  )
}
