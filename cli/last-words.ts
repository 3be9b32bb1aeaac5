/** What a supervisor makes of the lines of a process: passed on, and, when it died, why. */
import { stripVTControlCharacters } from 'node:util'
import { LAST_LINES_MAX, LINE_MAX_CHARACTERS } from './limits.ts'

export type LogLine = { readonly level: string; readonly message: string }

/** A line of a Hearth log; undefined for any other. */
export function readLogLine(line: string): LogLine | undefined {
  if (!line.startsWith('{')) return undefined
  let found: unknown
  try {
    found = JSON.parse(line)
  } catch {
    return undefined // some other text that begins with a brace
  }
  if (typeof found !== 'object' || found === null || !('msg' in found) || !('level' in found)) return undefined
  return { level: String(found.level), message: String(found.msg) }
}

/** Keeps the newest lines, within LAST_LINES_MAX. */
export function keepLine(lines: string[], line: string): void {
  if (line.trim() === '') return
  lines.push(line.slice(0, LINE_MAX_CHARACTERS))
  if (lines.length > LAST_LINES_MAX) lines.shift()
}

/** The words of main.ts, an error as its stack begins, and what Node adds to it. */
const REPORTED = /^hearth: (?!this is a bug)(.+)$/
const THROWN = /^((?:\w*Error|Problem)(?: \[\w+\])?: .+)$/
const FRAME = /^\s+at |^Node\.js v|^\s*[~^]+$/

/**
 * Why a process ended, in a sentence, from its last lines: what it reported itself, else the error that it died of,
 * else its last warning or error, else its last line. Undefined when it said nothing.
 */
export function lastWords(lines: readonly string[]): string | undefined {
  const newestFirst = lines.toReversed()
  const match = (pattern: RegExp) =>
    newestFirst.map((line) => pattern.exec(stripVTControlCharacters(line))?.[1]).find((found) => found)
  const logged = newestFirst.map(readLogLine)
  const trouble = logged.find((found) => found?.level === 'error' || found?.level === 'warn')
  const other = newestFirst.find((line) => !FRAME.test(line))
  return (
    match(REPORTED) ??
    match(THROWN) ??
    trouble?.message ??
    (other && (readLogLine(other)?.message ?? stripVTControlCharacters(other)))
  )
}
