import { machineClock } from '../../cli/machine.ts'
import { sleep } from '../../contract/clock.ts'
import { isProblem } from '../../contract/problem.ts'
import { logRecord } from '../event-log.conformance.ts'
import type { EventLog } from '../event-log.ts'

type Ack = { readonly bucket: number; readonly position: number; readonly text: string }

/** What a fleet does: each sender sends one text after the other, the same again until it is acknowledged. */
export type Load = {
  readonly acks: readonly Ack[]
  /** Texts of which an append failed and may have happened. */
  readonly unsure: ReadonlySet<string>
  /** Resolves once so many more were acknowledged. */
  more(count: number): Promise<void>
  stop(): Promise<void>
}

export function startLoad(log: Pick<EventLog, 'append' | 'buckets'>, senders: number): Load {
  const acks: Ack[] = []
  const unsure = new Set<string>()
  const stopping = new AbortController()
  const sender = async (number: number) => {
    for (let count = 0; !stopping.signal.aborted; count++) {
      const [bucket, text] = [number % log.buckets, `${number}-${count}`]
      for (;;) {
        try {
          acks.push({ bucket, position: await log.append(bucket, logRecord(text)), text })
          break
        } catch (error) {
          if (!isProblem(error, 'unavailable')) throw error
          if (error.outcome === 'unknown') unsure.add(text)
        }
      }
    }
  }
  const running = Promise.all(Array.from({ length: senders }, (_, number) => sender(number)))
  return {
    acks,
    unsure,
    async more(count) {
      const enough = acks.length + count
      while (acks.length < enough) await Promise.race([running, sleep(machineClock, 20)])
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}

export type Account = {
  /** Acknowledged, and not where it was acknowledged. */
  readonly lost: readonly Ack[]
  /** There more than once, though no append of it failed. */
  readonly doubled: readonly string[]
  /** Positions that do not follow on the one before. */
  readonly gaps: number
  readonly records: number
}

/** Reads the whole log, and holds it against what was acknowledged. */
export async function account(log: EventLog, { acks, unsure }: Pick<Load, 'acks' | 'unsure'>): Promise<Account> {
  const found = new Map<string, string>()
  const times = new Map<string, number>()
  let gaps = 0
  for (let bucket = 0; bucket < log.buckets; bucket++) {
    for (let from = 1; ; ) {
      const records = await log.read(bucket, from, 1_000_000)
      for (const { position, record } of records) {
        if (position !== from) gaps++
        from = position + 1
        const text = Buffer.from(record.value).toString()
        found.set(`${bucket} ${position}`, text)
        times.set(text, (times.get(text) ?? 0) + 1)
      }
      if (records.length === 0) break
    }
  }
  return {
    lost: acks.filter(({ bucket, position, text }) => found.get(`${bucket} ${position}`) !== text),
    doubled: [...times].filter(([text, count]) => count > 1 && !unsure.has(text)).map(([text]) => text),
    gaps,
    records: found.size,
  }
}
