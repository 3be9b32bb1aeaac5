import type { ControlEvidence, Invariant } from '../evidence.ts'

/** Clocks drift, by far less than this in any session. */
const DRIFT_MS = 100

/** No device is asked to act after the command's time, nor for what its hub received later first (relay.md). */
export const executedInTimeAndOrder: Invariant<ControlEvidence> = {
  name: 'a command is executed in its time, and in order',
  check: ({ executions }) =>
    [...executions].flatMap(([id, { overdue_ms, overtaken, stale }]) => [
      ...(overdue_ms > DRIFT_MS ? [`command ${id} was begun ${Math.round(overdue_ms)} ms after its time`] : []),
      ...(stale ? [`command ${id} was begun though its session was over when it came`] : []),
      ...(overtaken ? [`command ${id} was overtaken by one that came after it`] : []),
    ]),
}
