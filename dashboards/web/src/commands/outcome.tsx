import type { CommandTrace } from '../../../api.ts'
import { Tag, type Tone } from '../icon.tsx'

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
