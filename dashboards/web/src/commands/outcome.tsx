import type { CommandTrace } from '../../../api.ts'
import { Tag, type Tone } from '../icon.tsx'
import { durationText } from '../number-format.ts'

const TONES: Readonly<Record<string, Tone>> = {
  done: 'good',
  late: 'warn',
  interrupted: 'warn',
  expired: 'warn',
  rejected: 'bad',
  offline: 'bad',
}

export const OUTCOME_NAMES = ['done', 'late', 'interrupted', 'rejected', 'expired', 'offline'] as const

export function Outcome({ outcome }: { readonly outcome: string | null }) {
  return <Tag tone={outcome === null ? 'idle' : (TONES[outcome] ?? 'idle')}>{outcome ?? 'running'}</Tag>
}

/** What is asked, in short: `powered = true`. */
export function asked(set: CommandTrace['set']): string {
  if (!set) return ''
  return Object.entries(set)
    .map(([name, value]) => `${name} = ${String(value)}`)
    .join(', ')
}

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
      return `Expired: no result within ${durationText(trace.deadline_ms)}. Whether it happened is not known.`
    case 'offline':
      return 'Offline: the hub had no live connection. Nothing was sent.'
    default:
      return 'Running: no outcome yet.'
  }
}

/** ms from issue to the last word of the relay. */
export function endOf(trace: CommandTrace): number | undefined {
  const times = trace.stages.filter(({ by }) => by === 'relay').map(({ ms }) => ms)
  return times.length === 0 ? undefined : Math.max(...times)
}
