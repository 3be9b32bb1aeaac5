import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const css = readFileSync(join(import.meta.dirname, 'tokens.css'), 'utf8')

/** The colours of each block of tokens.css: light, dark by the system's wish, dark chosen. */
const blocks = [...css.matchAll(/color-scheme: (light|dark);([^}]*)}/g)].map(([, theme = '', body = '']) => ({
  theme,
  colours: new Map(
    [...body.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name = '', value = '']) => [name, value]),
  ),
  body: body.replace(/\s+/g, ' ').trim(),
}))

/** WCAG 2.2, relative luminance. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast(a: string, b: string): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (high + 0.05) / (low + 0.05)
}

const SURFACES = ['surface', 'canvas', 'raised', 'sunken']
const PAIRS = [
  ...['text', 'text-soft', 'accent', 'good', 'warn', 'bad'].flatMap((text) => SURFACES.map((on) => [text, on])),
  ...['good', 'warn', 'bad', 'idle', 'accent'].map((text) => [text, `${text}-soft`]),
  ['text', 'accent-soft'],
  ['on-accent', 'accent'],
]

test('text has a contrast of 4.5 to 1 on whatever it stands on, in each theme', () => {
  expect(blocks.map(({ theme }) => theme)).toEqual(['light', 'dark', 'dark'])
  const low = blocks.flatMap(({ theme, colours }) =>
    PAIRS.flatMap(([text = '', on = '']) => {
      const found = contrast(colours.get(text) ?? '', colours.get(on) ?? '')
      return found >= 4.5 ? [] : [`${theme}: ${text} on ${on} ${found.toFixed(2)}`]
    }),
  )
  expect(low).toEqual([])
})

test('the dark theme is the same whether the system or the reader chose it', () => {
  expect(blocks[2]?.body).toBe(blocks[1]?.body)
})
