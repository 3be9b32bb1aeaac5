import type { ControlEvidence, Invariant } from '../evidence.ts'

const ENDS = ['executed', 'rejected', 'expired', 'interrupted']

/** Whatever a hub began, it puts on record how that ended, where its disk takes it: no crash lets it forget to. */
export const whatAHubDoesItTells: Invariant<ControlEvidence> = {
  name: 'what a hub does, it tells',
  check: ({ executions }) =>
    [...executions]
      .filter(
        ([, { told, refused, rolled_back }]) => !refused && !rolled_back && !told.some((stage) => ENDS.includes(stage)),
      )
      .map(([id]) => `command ${id} was executed, and its hub has put no end of it on record`),
}
