import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { Icon } from './icon.tsx'
import { dayTime, PRESETS, range, setPreset, setRange, zone } from './time-range.ts'

/** The time range: a preset that ends now, or from and to. */
export function RangeMenu() {
  const shown = useSignal(false)
  const problem = useSignal('')
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!shown.value) return undefined
    const leave = (event: Event) => {
      if (event.target instanceof Node && !box.current?.contains(event.target)) shown.value = false
    }
    const escape = (event: KeyboardEvent) => {
      if (event.key === 'Escape') shown.value = false
    }
    document.addEventListener('pointerdown', leave)
    document.addEventListener('keydown', escape)
    return () => {
      document.removeEventListener('pointerdown', leave)
      document.removeEventListener('keydown', escape)
    }
  }, [shown.value])
  const { from_ms, to_ms, preset } = range.value
  const words = PRESETS.find((candidate) => candidate.name === preset)?.words
  const choose = (event: SubmitEvent) => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement)) return
    const data = new FormData(event.currentTarget)
    const from = instant(data.get('from'))
    const to = instant(data.get('to'))
    if (!(from < to)) {
      problem.value = 'From must be before to.'
      return
    }
    problem.value = ''
    shown.value = false
    setRange(from, to)
  }
  return (
    <div class="range-menu" ref={box}>
      <button type="button" class="button" aria-expanded={shown.value} onClick={() => (shown.value = !shown.value)}>
        {words ?? `${dayTime(from_ms)} to ${dayTime(to_ms)}`}
        <Icon name="down" size={12} />
      </button>
      {shown.value && (
        <div class="panel">
          <div class="presets">
            {PRESETS.map((candidate) => (
              <button
                key={candidate.name}
                type="button"
                class="button quiet"
                aria-pressed={candidate.name === preset}
                onClick={() => {
                  setPreset(candidate.name)
                  shown.value = false
                }}
              >
                {candidate.words}
              </button>
            ))}
          </div>
          <form onSubmit={choose}>
            <label class="label">
              From ({zone.value})
              <input class="field" type="datetime-local" name="from" required defaultValue={local(from_ms)} />
            </label>
            <label class="label">
              To
              <input class="field" type="datetime-local" name="to" required defaultValue={local(to_ms)} />
            </label>
            {problem.value && <span role="alert">{problem.value}</span>}
            <button type="submit" class="button primary">
              Show
            </button>
          </form>
        </div>
      )}
    </div>
  )
}

/** `2026-11-24T14:03` in the zone on show, as the input wants it. */
function local(time_ms: number): string {
  const offset = zone.value === 'UTC' ? 0 : new Date(time_ms).getTimezoneOffset() * 60_000
  return new Date(time_ms - offset).toISOString().slice(0, 16)
}

/** NaN for what is no date. */
function instant(text: FormDataEntryValue | null): number {
  if (typeof text !== 'string') return Number.NaN
  return Date.parse(zone.value === 'UTC' ? `${text}Z` : text)
}
