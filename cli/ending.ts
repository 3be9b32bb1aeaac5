import { isProblem } from '../contract/problem.ts'
import { worldFault } from './world-fault.ts'

/** As a shell says of a command that SIGINT (2) ended: 128 + 2. */
export const INTERRUPTED = 130

/** How a command ends that threw. `told` is what is not said yet, in lines; `isFault` when it is one of the world's. */
export type Ending = { readonly code: number; readonly told: string; readonly isFault: boolean }

/**
 * The world's faults are one line, and so is the end that `signal` asked for; a bug keeps its stack. Exit codes: 2 wrong use,
 * 1 anything else, 70 a bug, 130 when interrupted.
 */
export function endingOf(error: unknown, signal: AbortSignal, stopped = 'stopped'): Ending {
  const { code, ...ending } = endOf(error, signal, stopped)
  return { ...ending, code: signal.aborted ? INTERRUPTED : code }
}

function endOf(error: unknown, signal: AbortSignal, stopped: string): Ending {
  if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number')
    return { code: error.exitCode === 0 ? 0 : 2, told: '', isFault: false }
  // Whether it happened is not known: that is to be told, whatever it comes from.
  const isUnknown = isProblem(error) && error.outcome === 'unknown'
  if (signal.aborted && !isUnknown && isOf(error, signal)) return { code: INTERRUPTED, told: stopped, isFault: true }
  if (isProblem(error)) return { code: error.kind === 'invalid' ? 2 : 1, told: error.message, isFault: true }
  const fault = worldFault(error)
  if (fault !== undefined) return { code: 1, told: fault, isFault: true }
  return { code: 70, told: error instanceof Error ? (error.stack ?? error.message) : String(error), isFault: false }
}

/** Is it the end that was asked for, or does it come from it? */
function isOf(error: unknown, signal: AbortSignal): boolean {
  if (error === signal.reason) return true
  if (!(error instanceof Error)) return false
  // Of two, both: the one that was closed after may be a fault of its own.
  if (error instanceof SuppressedError) return isOf(error.error, signal) && isOf(error.suppressed, signal)
  // A client's own word for it, which not each gives a cause.
  return error.name === 'AbortError' || (error.cause !== undefined && isOf(error.cause, signal))
}
