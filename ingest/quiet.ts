import type { EncoderBatch } from './encoder.ts'

const NEWLINE = 0x0a
const KIND = Buffer.from('"kind"')
/** Signs of life: nobody waits for them. */
const QUIET = [Buffer.from('"kind":"alive"'), Buffer.from('"kind":"health"')]

/**
 * Holds a batch nothing but `alive` and `health`? By its bytes, and never by parsing: a quote inside a JSON text has a
 * backslash before it, so these bytes are a key and its value and nothing else. Whatever is written in another way (a
 * space, a second `kind` deeper down) counts as not quiet, which only commits it sooner; who spells the key with escapes
 * and a false one deeper down makes nobody wait but itself. Most batches end the search at their first line.
 */
export function isQuiet({ dead, lines }: Pick<EncoderBatch, 'dead' | 'lines'>): boolean {
  if (dead !== undefined) return false
  for (let start = 0; start < lines.length; ) {
    const end = lines.indexOf(NEWLINE, start)
    const line = lines.subarray(start, end === -1 ? lines.length : end)
    const at = line.indexOf(KIND)
    const quiet = QUIET.some((text) => at !== -1 && line.indexOf(text, at) === at)
    if (!quiet || line.indexOf(KIND, at + 1) !== -1) return false
    start += line.length + 1
  }
  return true
}
