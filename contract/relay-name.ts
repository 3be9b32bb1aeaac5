/** A relay's name as a source of events, and in its certificate: a stable ordinal, never a host's name. */
export const FIRST_RELAY = 'relay-0'

export const RELAY_NAME = /^relay-(0|[1-9]\d{0,3})$/

export function isRelayName(text: string): boolean {
  return RELAY_NAME.test(text)
}
