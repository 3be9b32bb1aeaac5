import type { Measured } from './growth.ts'

const WIDTH = 360
const HEIGHT = 300
const EDGE = { left: 56, right: 118, top: 34, bottom: 46 }
const COLOURS = ['#1f6feb', '#d9730d', '#2e7d32']

type Point = { readonly x: number; readonly y: number }
type Line = { readonly name: string; readonly points: readonly Point[] }

/** Two plots beside each other, both axes logarithmic: what grows linearly is as steep as the dashed line. SVG. */
export function plotGrowth(measured: readonly Measured[]): string {
  const days = linesOf(measured, ({ events, indexes, s }) => [indexes && `${indexes} at once`, events / 1e6, s])
  const late = linesOf(measured, ({ events, late_hours, s }) => [
    late_hours && `${(events / 1e6).toFixed(0)} M a day`,
    late_hours ?? 0,
    s,
  ])
  const whole = WIDTH + EDGE.left + EDGE.right
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * whole} ${HEIGHT + EDGE.top + EDGE.bottom}" font-family="system-ui, sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    panel('All metrics of a day, seconds', 'million events in the day', days, 0),
    panel('What comes late, seconds', 'hours of the day that it touches', late, whole),
    '</svg>',
    '',
  ].join('\n')
}

/** `point` gives the line's name, none where it is of no line, x and y. */
function linesOf(
  measured: readonly Measured[],
  point: (one: Measured) => readonly [string | 0 | undefined, number, number],
): Line[] {
  const lines = new Map<string, Point[]>()
  for (const one of measured) {
    const [name, x, y] = point(one)
    if (name) lines.set(name, [...(lines.get(name) ?? []), { x, y }])
  }
  return [...lines].map(([name, points]) => ({ name, points: points.toSorted((a, b) => a.x - b.x) }))
}

function panel(title: string, across: string, lines: readonly Line[], left: number): string {
  const points = lines.flatMap((line) => line.points)
  const [xs, ys] = [rangeOf(points.map(({ x }) => x)), rangeOf(points.map(({ y }) => y))]
  const place = (value: number, { low, high }: Range) => Math.log(value / low) / Math.log(high / low)
  const px = (x: number) => (left + EDGE.left + WIDTH * place(x, xs)).toFixed(1)
  const py = (y: number) => (EDGE.top + HEIGHT * (1 - place(y, ys))).toFixed(1)
  const bottom = EDGE.top + HEIGHT
  const text = (x: number | string, y: number | string, words: string, more = '') =>
    `<text x="${x}" y="${y}" fill="#333" ${more}>${words}</text>`
  const grid = [
    ...xs.ticks.flatMap((x) => [
      `<path d="M${px(x)} ${EDGE.top}V${bottom}" stroke="#ddd"/>`,
      text(px(x), bottom + 16, String(x), 'text-anchor="middle"'),
    ]),
    ...ys.ticks.flatMap((y) => [
      `<path d="M${left + EDGE.left} ${py(y)}h${WIDTH}" stroke="#ddd"/>`,
      text(left + EDGE.left - 6, Number(py(y)) + 4, String(y), 'text-anchor="end"'),
    ]),
  ]
  // Through the first line's last point: what is linear is as steep.
  const last = lines[0]?.points.at(-1)
  const slope = last ? last.y / last.x : 1
  const guide = [Math.max(xs.low, ys.low / slope), Math.min(xs.high, ys.high / slope)].map((x) => ({ x, y: x * slope }))
  const path = (some: readonly Point[]) => some.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${px(x)} ${py(y)}`).join('')
  // Beside the ends of their lines, and never over one another.
  const named: { readonly name: string; readonly colour: string | undefined; readonly y: number }[] = []
  const ends = lines.map(({ name, points: some }, i) => ({ name, i, y: Number(py(some.at(-1)?.y ?? ys.low)) }))
  for (const { name, i, y } of ends.sort((a, b) => a.y - b.y))
    named.push({ name, colour: COLOURS[i % COLOURS.length], y: Math.max(y, (named.at(-1)?.y ?? 0) + 16) })
  return [
    text(left + EDGE.left, 20, title, 'font-weight="600" font-size="14"'),
    ...grid,
    text(left + EDGE.left + WIDTH / 2, bottom + 36, across, 'text-anchor="middle"'),
    `<path d="${path(guide)}" stroke="#999" stroke-dasharray="4 4" fill="none"/>`,
    ...lines.flatMap(({ points: some }, i) => {
      const colour = COLOURS[i % COLOURS.length]
      return [
        `<path d="${path(some)}" stroke="${colour}" stroke-width="2" fill="none"/>`,
        ...some.map(({ x, y }) => `<circle cx="${px(x)}" cy="${py(y)}" r="3.5" fill="${colour}"/>`),
      ]
    }),
    ...named.map(({ name, colour, y }) => text(left + EDGE.left + WIDTH + 12, y + 4, name, `style="fill:${colour}"`)),
  ].join('\n')
}

type Range = { readonly low: number; readonly high: number; readonly ticks: readonly number[] }

/** From the 1, 2 or 5 of a power of ten below to that above, and all between. */
function rangeOf(values: readonly number[]): Range {
  const steps = Array.from({ length: 24 }, (_, i) =>
    Number((10 ** (Math.floor(i / 3) - 3) * ([1, 2, 5][i % 3] ?? 1)).toPrecision(1)),
  )
  const low = steps.findLast((step) => step <= Math.min(...values)) ?? 0.001
  const high = steps.find((step) => step >= Math.max(...values) && step > low) ?? 1
  return { low, high, ticks: steps.filter((step) => step >= low && step <= high) }
}
