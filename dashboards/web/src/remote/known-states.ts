import type { DeviceStates } from '../../../api.ts'
import type { State, States } from './device-kind.ts'

/** Of each attribute what was said last, by whichever of the answers, or live; devices by name. */
export function knownStates(
  answers: readonly DeviceStates[],
  live: ReadonlyMap<string, States>,
): ReadonlyMap<string, States> {
  const devices = new Map<string, Map<string, State>>()
  const take = (device: string, attribute: string, state: State) => {
    const known = devices.get(device) ?? new Map<string, State>()
    devices.set(device, known)
    const before = known.get(attribute)
    if ((before?.time_ms ?? 0) > (state.time_ms ?? 0)) return
    // Only the table knows of units.
    known.set(attribute, { ...state, unit: state.unit ?? before?.unit ?? null })
  }
  for (const { device, attributes } of answers.flat()) {
    for (const { attribute, ...state } of attributes) take(device, attribute, state)
  }
  for (const [device, states] of live) for (const [attribute, state] of states) take(device, attribute, state)
  return new Map([...devices].sort(([a], [b]) => (a < b ? -1 : 1)))
}
