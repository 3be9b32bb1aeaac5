import type { ControlEvidence, Invariant } from '../evidence.ts'

/** `issued` is on record before any byte goes to the hub, so that what a hub did can be told of in the table. */
export const issuedBeforeItIsSent: Invariant<ControlEvidence> = {
  name: 'what is executed was issued on record',
  check(evidence) {
    const { executions, sent } = evidence
    const stages = evidence.onRecord
    const early = new Set(sent.filter((one) => !one.issued).map(({ command }) => command))
    const unknown = [...executions]
      .filter(([id, { forgotten }]) => !forgotten && !stages.get(id)?.has('issued'))
      .map(([id]) => `command ${id} was executed, and the table has no word of its issue`)
    return [...unknown, ...[...early].map((id) => `command ${id} was sent before its issue was on record`)]
  },
}
