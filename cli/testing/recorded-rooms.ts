/** Recorded rooms as a test reads them for itself: nothing here goes through the product's reader. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SHARED = fileURLToPath(new URL('../../../shared/data/open-smart-home', import.meta.url))

export type Reading = {
  readonly time_ms: number
  readonly device: string
  readonly attribute: string
  readonly value: number
}

/** HEARTH_RECORDINGS, else the folder beside the checkout; without either, files of the same form that are made here. */
export function recordings(home: string): string {
  const asked = process.env['HEARTH_RECORDINGS'] ?? SHARED
  if (existsSync(asked)) return asked
  console.warn(`no recordings at ${asked}: running on made-up ones of the same form`)
  const made = join(home, 'recordings')
  mkdirSync(made)
  for (const room of ['Kitchen', 'Bathroom', 'Room1']) {
    for (const attribute of ['Temperature', 'Humidity', 'SetpointHistory', 'Virtual_OutdoorTemperature']) {
      let time_s = 1_489_017_527 + room.length * 60
      const lines = Array.from({ length: 5_000 }, (_, i) => {
        time_s += 60 + ((i * 7919) % 1_200)
        return `${time_s}\t${(15 + 10 * Math.sin(i / 50)).toFixed(i % 4)}\n`
      })
      writeFileSync(join(made, `${room}_${attribute}.csv`), lines.join(''))
    }
  }
  return made
}

/** By room, as recorded. */
export function readRooms(folder: string): ReadonlyMap<string, readonly Reading[]> {
  const found = new Map<string, Reading[]>()
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.csv'))) {
    const cut = file.indexOf('_')
    const device = file.slice(0, cut).toLowerCase()
    const words = file.slice(cut + 1, -'.csv'.length).match(/[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])/g) ?? []
    const attribute = words.join('_').toLowerCase()
    const list = found.get(device) ?? []
    found.set(device, list)
    for (const line of readFileSync(join(folder, file), 'utf8').split(/\r?\n/)) {
      if (line === '') continue
      const [seconds = '', value = ''] = line.split('\t')
      list.push({ time_ms: Number(seconds) * 1000, device, attribute, value: Number(value) })
    }
  }
  return found
}
