import { closest } from '../contract/closest.ts'
import { Problem } from '../contract/problem.ts'

/** A value of the header of a metric file, and where it stands there. */
export type HeaderLine = { readonly key: string; readonly value: string; readonly line: number }

export type MetricHeader = {
  /** Raises `invalid`, naming the file, where there is none. */
  one(key: string): HeaderLine
  maybe(key: string): HeaderLine | undefined
  all(key: string): readonly HeaderLine[]
  /** What follows it. */
  readonly body: string
  /** Raises `invalid`, naming the file, the line and its key. */
  wrong(at: HeaderLine, expected: string, found?: string): never
}

const ONCE = ['metric', 'meaning', 'grain', 'unit', 'keys', 'inputs', 'only', 'carry', 'affects', 'owner', 'revision']
const KEYS = [...ONCE, 'column', 'check']

/** Takes the lines `-- key: value` that a metric file begins with, and sees to it that no other is meant to be one. */
export function readHeader(file: string, text: string): MetricHeader {
  const refuse = (line: number, message: string): never => {
    throw new Problem('invalid', `${file}:${line}: ${message}`)
  }
  const lines = text.split(/\r?\n/)
  const parsed = lines.map((line) => /^--\s*(\w+)\s*:(?:\s+(.*?))?\s*$/.exec(line))
  const end = parsed.indexOf(null)
  const header = parsed.slice(0, end < 0 ? lines.length : end).map((match, i) => ({
    key: match?.[1] ?? '',
    value: match?.[2] ?? '',
    line: i + 1,
  }))
  const found = new Map<string, HeaderLine[]>()
  for (const { key, value, line } of header) {
    const meant = closest(key, KEYS)
    if (!KEYS.includes(key))
      refuse(line, `${key}: expected ${meant ? `${meant}, as it seems` : `one of ${KEYS.join(', ')}`}; found ${key}`)
    if (value === '') refuse(line, `${key}: expected a value, found none`)
    const others = found.get(key) ?? []
    if (ONCE.includes(key) && others[0]) refuse(line, `${key}: expected once, found in line ${others[0].line} as well`)
    found.set(key, [...others, { key, value, line }])
  }
  for (const [i, match] of parsed.entries()) {
    if (i < header.length || !match?.[1] || closest(match[1], KEYS) === undefined) continue
    refuse(i + 1, `${match[1]}: expected in the header, which ends before line ${header.length + 1}; found after it`)
  }
  return {
    one: (key) => {
      const [at] = found.get(key) ?? []
      if (!at) throw new Problem('invalid', `${file}: the header lacks "-- ${key}: …"`)
      return at
    },
    maybe: (key) => found.get(key)?.[0],
    all: (key) => found.get(key) ?? [],
    body: lines.slice(header.length).join('\n').trim(),
    wrong: ({ line, key, value }, expected, other = value) =>
      refuse(line, `${key}: expected ${expected}, found ${other}`),
  }
}
