/** What a process tells of itself while it runs: one JSON line a notable fact, readable lines on a terminal. */
import { createRequire } from 'node:module'
import pino from 'pino'
import type * as Pretty from 'pino-pretty'
import type { Clock } from '../contract/clock.ts'
import { isProblem, messageOf } from '../contract/problem.ts'
import { LOG_BURST_MAX, LOG_BURST_MS } from './limits.ts'
import type { LogLevel } from './log-level.ts'
import { textWithoutSecrets, withoutSecrets } from './log-secrets.ts'

/** Values beside the sentence, for machines: names with units, as everywhere. */
export type LogFields = Readonly<Record<string, unknown>>

/** `event` names the kind of fact and never changes; `message` says it in a sentence. Secrets are left out by `openLog`. */
export type Log = Readonly<Record<LogLevel, (event: string, message: string, fields?: LogFields) => void>> & {
  /** The world's fault is a warning in its own words; a bug is an error with its stack. */
  failed(event: string, error: unknown, fields?: LogFields): void
}

export type LogOptions = {
  /** Name of the process, as in `hearth <process>`. */
  readonly process: string
  readonly level: LogLevel
  readonly clock: Clock
  /** For people, in colours or without; absent: JSON. */
  readonly pretty?: { readonly colours: boolean }
  readonly write: (text: string) => void
}

/** The same event more than LOG_BURST_MAX times in LOG_BURST_MS is counted and not told: a storm must not fill a disk. */
export function openLog(options: LogOptions): Log {
  const { clock } = options
  const prettify = options.pretty && logPrettifier(options.pretty.colours)
  const logger = pino(
    {
      level: options.level,
      base: { process: options.process, pid: process.pid },
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
    },
    { write: (line) => options.write(prettify ? prettify(line) : line) },
  )
  const bursts = new Map<string, { since_ms: number; told: number; untold: number }>()

  /** How many of this event were left out since the last that was told; undefined: this one is left out too. */
  const untold = (event: string): number | undefined => {
    const now_ms = clock.monotonic()
    const burst = bursts.get(event)
    if (burst && now_ms - burst.since_ms < LOG_BURST_MS) {
      if (burst.told >= LOG_BURST_MAX) {
        burst.untold++
        return undefined
      }
      burst.told++
      return 0
    }
    bursts.set(event, { since_ms: now_ms, told: 1, untold: 0 })
    return burst?.untold ?? 0
  }

  const at =
    (level: LogLevel) =>
    (event: string, message: string, fields: LogFields = {}) => {
      if (!logger.isLevelEnabled(level)) return
      const left_out = untold(event)
      if (left_out === undefined) return
      const all = { event, ...fields, ...(left_out > 0 ? { left_out } : {}) }
      logger[level](withoutSecrets(all), textWithoutSecrets(message))
    }
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  return {
    ...log,
    failed(event, error, fields = {}) {
      if (isProblem(error) && error.kind !== 'internal') {
        log.warn(event, error.message, { ...fields, kind: error.kind, outcome: error.outcome })
      } else {
        const stack = error instanceof Error ? error.stack : undefined
        log.error(event, messageOf(error), { ...fields, ...(stack === undefined ? {} : { stack }) })
      }
    },
  }
}

/** One line of the log as people read it, with its newline. */
export function logPrettifier(colours: boolean): (line: string) => string {
  // Only on a terminal: a hub has none, and little memory.
  const { prettyFactory }: typeof Pretty = createRequire(import.meta.url)('pino-pretty')
  const pretty = prettyFactory({
    colorize: colours,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,process,event',
    messageFormat: '{process}: {msg}',
    singleLine: true,
  })
  return (line) => pretty(line) ?? ''
}
