import type { Clock, Random } from '../contract/clock.ts'
import type { Config } from './config.ts'

/** What every command is given. */
export type CliContext = {
  /** The state folder, absolute. */
  readonly home: string
  readonly config: Config
  readonly clock: Clock
  readonly random: Random
  /** Writes a line to standard output. */
  print(line: string): void
  /** Writes a line to standard error: progress, warnings. */
  note(line: string): void
  /** Aborts at the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal
}
