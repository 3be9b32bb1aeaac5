import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { add } from '../contract/interval.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import type { Acks } from './verify.ts'

const whole = z.number().int().min(0)
const line = z.union([
  z.object({ source: z.string(), boot: z.string(), stream: z.string(), seq: whole }),
  z.object({ source: z.string(), boot: z.string(), stream: z.string(), first: whole, count: whole }),
])

/**
 * Reads a journal of acknowledgements: a line of JSON each, `{source, boot, stream, seq}` or `{…, first, count}`. A last
 * line that was cut off, as by a crash, is passed over. Raises `invalid` for any other that does not fit,
 * `missing` when there is no such file.
 */
export async function readAckJournal(path: string): Promise<ReadonlyMap<string, Acks>> {
  const acks = new Map<string, Acks>()
  let bad: string | undefined
  let number = 0
  const file = createReadStream(path)
  await once(file, 'open').catch((cause: unknown) => {
    throw new Problem('missing', `the journal of acknowledgements cannot be read: ${messageOf(cause)}`, { cause })
  })
  for await (const text of createInterface({ input: file, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (bad !== undefined) throw new Problem('invalid', bad)
    number++
    if (text.trim() === '') continue
    const parsed = line.safeParse(jsonOf(text))
    if (!parsed.success) {
      bad = `line ${number} of ${path} is no acknowledgement {source, boot, stream, seq}: ${text.slice(0, 80)}`
      continue
    }
    const one = parsed.data
    const [first, count] = 'seq' in one ? [one.seq, 1] : [one.first, one.count]
    const key = `${one.source} ${one.boot} ${one.stream}`
    const known = acks.get(key) ?? { source: one.source, boot: one.boot, stream: one.stream, numbers: [] }
    known.numbers = add(known.numbers, first, first + count)
    acks.set(key, known)
  }
  return acks
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // refused by the schema, with its line
  }
}
