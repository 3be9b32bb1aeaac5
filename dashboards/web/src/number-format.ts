/** How numbers are written, everywhere: three significant digits, thin separators, units by the reader's scale. */

const THIN = '\u2009'
/** What stands where there is no number. */
export const NOTHING = '–'

type Maybe = number | null | undefined

/** `1 disconnect`, `2 disconnects`. */
export function counted(count: Maybe, one: string, many = `${one}s`): string {
  return `${whole(count)} ${count === 1 ? one : many}`
}

/** `12 345` with thin separators; whole. */
export function whole(value: Maybe): string {
  if (value === null || value === undefined) return NOTHING
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, THIN)
}

/** Three significant digits: 0.412, 4.12, 41.2, 412, 4 120. */
export function significant(value: Maybe): string {
  if (value === null || value === undefined) return NOTHING
  const size = Math.abs(value)
  if (size === 0) return '0'
  if (size >= 100) return whole(value)
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : Math.min(6, 2 - Math.floor(Math.log10(size))))
}

/** A share as per cent, with the digits that matter near 100 and near 0: 99.95 %, 99.9987 %, 87.3 %, 0.021 %. */
export function percent(share: Maybe): string {
  if (share === null || share === undefined) return NOTHING
  if (share === 1) return '100'
  if (share === 0) return '0'
  const value = share * 100
  if (value >= 99) {
    const nines = Math.min(4, Math.max(2, 1 - Math.floor(Math.log10(100 - value))))
    const text = value.toFixed(nines).replace(/(\.\d\d\d*?)0+$/, '$1')
    // Rounding must not say that all is well when something was missing.
    return text.startsWith('100') ? '> 99.9999' : text
  }
  if (value < 0.0001) return '< 0.0001'
  if (value < 1) return Number(value.toPrecision(3)).toString()
  return value.toFixed(value < 10 ? 2 : 1)
}

/** A number of a scale, which is round already: 0.5, 5, 5 000. */
export function tick(value: number): string {
  return value >= 1000 ? whole(value) : String(Number(value.toPrecision(12)))
}

/** A duration with its unit: ms under 10 s, then s, min, h, d. */
export function duration(ms: Maybe): { readonly text: string; readonly unit: string } {
  if (ms === null || ms === undefined) return { text: NOTHING, unit: 'ms' }
  const size = Math.abs(ms)
  if (size < 10_000) return { text: significant(ms), unit: 'ms' }
  if (size < 120_000) return { text: significant(ms / 1000), unit: 's' }
  if (size < 7_200_000) return { text: significant(ms / 60_000), unit: 'min' }
  if (size < 172_800_000) return { text: significant(ms / 3_600_000), unit: 'h' }
  return { text: significant(ms / 86_400_000), unit: 'd' }
}

export function durationText(ms: Maybe): string {
  if (ms === null || ms === undefined) return NOTHING
  const { text, unit } = duration(ms)
  return `${text} ${unit}`
}

export function bytes(size: Maybe): string {
  if (size === null || size === undefined) return NOTHING
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let index = 0
  let rest = size
  while (rest >= 1000 && index < units.length - 1) {
    rest /= 1000
    index++
  }
  return `${index === 0 ? whole(rest) : significant(rest)} ${units[index] ?? ''}`
}
