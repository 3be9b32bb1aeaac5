import { OUTCOMES, type Outcome } from '../../contract/command.ts'
import type { ControlEvidence, Invariant } from '../evidence.ts'

/** Outcomes that say that nothing happened. */
const DENIALS: readonly Outcome[] = ['rejected', 'offline']
/** Outcomes that say that it did. */
const CLAIMS: readonly Outcome[] = ['done', 'late']

/** Clocks drift, by far less than this within a deadline. */
const DRIFT_MS = 100

/** Each command ends, with an outcome that agrees with what the device did; told outcomes are only ever improved. */
export const oneTrueOutcome: Invariant<ControlEvidence> = {
  name: 'each command has one outcome, and a true one',
  check(evidence) {
    const { commands, executions } = evidence
    const stages = evidence.onRecord
    return commands.flatMap((command) => {
      const { id, told, tellers, outcome, heard_executed, forgotten, confirmed_ms, deadline_ms } = command
      const execution = executions.get(id)
      const executed = execution !== undefined
      // On record: the first of the list counts (contract/command.ts).
      const filled =
        forgotten && stages.get(id)?.has('executed') ? new Set(['late', ...(stages.get(id) ?? [])]) : stages.get(id)
      const recorded = OUTCOMES.find((one) => filled?.has(one))
      const wrong: string[] = []
      if (outcome === undefined && !forgotten) wrong.push('has no outcome')
      if (recorded === undefined && !forgotten) wrong.push('has no outcome on record in the table')
      // What a relay forgot in a power cut it may be asked for again, and judge anew; the hub's own story fills the record.
      // Where its disk lost that too, or never took it, nobody can know.
      const hasWord = execution?.told.some((stage) => stage === 'executed' || stage === 'interrupted')
      const isKnown = !forgotten || stages.get(id)?.has('executed') || (hasWord && !execution?.rolled_back)
      for (const said of new Set(forgotten ? [recorded] : [...told, outcome, recorded])) {
        if (said === undefined) continue
        if (isKnown && executed && DENIALS.includes(said)) wrong.push(`was executed and is called ${said}`)
        if (!executed && CLAIMS.includes(said)) wrong.push(`was not executed and is called ${said}`)
      }
      if (
        heard_executed &&
        !forgotten &&
        outcome !== undefined &&
        !CLAIMS.includes(outcome) &&
        outcome !== 'interrupted'
      ) {
        wrong.push(`the relay heard that it was executed, and calls it ${outcome}`)
      }
      if (confirmed_ms !== undefined && !forgotten) {
        const by_ms = Math.round(confirmed_ms - deadline_ms)
        if (outcome === 'done' && by_ms > DRIFT_MS) wrong.push(`is called done, ${by_ms} ms after its deadline`)
        if (outcome === 'late' && by_ms < -DRIFT_MS) wrong.push(`is called late, ${-by_ms} ms before its deadline`)
      }
      for (const said of tellers) {
        const ranks = said.filter((one) => one !== undefined).map((one) => OUTCOMES.indexOf(one))
        if (!forgotten && ranks.some((rank, i) => rank > (ranks[i - 1] ?? rank)))
          wrong.push(`apps were told ${said.join(', then ')}`)
      }
      const best = OUTCOMES.find((one) => told.includes(one))
      if (!forgotten && best !== undefined && recorded !== undefined && best !== recorded) {
        if (OUTCOMES.indexOf(best) < OUTCOMES.indexOf(recorded))
          wrong.push(`an app was told ${best}, and the record says ${recorded}`)
      }
      return wrong.map((what) => `command ${id} ${what}`)
    })
  },
}
