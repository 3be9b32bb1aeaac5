import type { AttributeValue } from '../contract/command.ts'

/** What a device says of itself, unasked. `m` is the hub's monotonic clock, ms since the agent's start. */
export type Report = {
  readonly device: string
  readonly attribute: string
  readonly value: AttributeValue
  readonly unit?: string
  readonly m: number
  /** Wall time of a recorded reading, ms since 1970, where the devices replay a recording. */
  readonly recorded_ms?: number
}

/** The seam to a home's devices: zigbee2mqtt, simulated, replay of recorded readings. */
export type Devices = {
  list(): readonly { readonly device: string; readonly type: string; readonly attributes: readonly string[] }[]
  /** Resolves when the device confirmed; raises `invalid` (no such device or attribute), `unavailable` (no answer). */
  actuate(device: string, set: Readonly<Record<string, AttributeValue>>, signal: AbortSignal): Promise<void>
  /** Calls back for each report until the returned function is called. */
  subscribe(callback: (report: Report) => void): () => void
  close(): Promise<void>
}
