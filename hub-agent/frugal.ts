import { writeToStream } from 'mqtt-packet'

/**
 * For a process that is one hub, on a small machine: the encoder of MQTT packets keeps no buffer of each number from 0 to 65,535,
 * which would be 6.6 MB. Two bytes more are then allocated for each number that it writes.
 */
export function spareMemory(): void {
  writeToStream.cacheNumbers = false
}

/** Gives back what the start has left, once; takes some 50 ms. Only where the process was started with `--expose-gc`. */
export function tidyUp(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
