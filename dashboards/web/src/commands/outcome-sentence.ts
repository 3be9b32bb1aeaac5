import type { CommandTrace } from '../../../api.ts'
import { durationText } from '../number-format.ts'
import { hubExpired } from './hub-answer.ts'

/** How it ended, in a sentence. */
export function outcomeSentence(trace: CommandTrace): string {
  const what = trace.device ?? 'the device'
  const end = endOf(trace)
  const reason = trace.reason ? `: ${trace.reason}` : ''
  switch (trace.outcome) {
    case 'done':
      return `Done: ${what} confirmed ${durationText(end)} after the command was issued.`
    case 'late': {
      const over = end !== undefined && trace.deadline_ms !== null ? end - trace.deadline_ms : undefined
      return `Late: ${what} did it${over === undefined ? '' : `, ${durationText(over)} after the deadline`}.`
    }
    case 'interrupted':
      return `Interrupted: the hub died while executing. It may or may not have happened, and it is not tried again${reason}.`
    case 'rejected':
      return `Rejected by the hub or ${what}${reason}.`
    case 'expired':
      if (hubExpired(trace.stages))
        return reason ? `Expired. The hub answered${reason}.` : 'Expired. The hub, too, says that its time ran out.'
      return `Expired: no result within ${durationText(trace.deadline_ms)}. Whether it happened is not known${reason}.`
    case 'offline':
      return trace.reason
        ? `Offline: nothing was sent (${trace.reason}).`
        : 'Offline: the hub had no live connection. Nothing was sent.'
    default:
      return 'Running: no outcome yet.'
  }
}

/** ms from issue to the last word of the relay. */
function endOf(trace: CommandTrace): number | undefined {
  const times = trace.stages.filter(({ by }) => by === 'relay').map(({ ms }) => ms)
  return times.length === 0 ? undefined : Math.max(...times)
}
