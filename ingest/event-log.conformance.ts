import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BATCH_COMPRESSED_MAX_BYTES } from '../contract/limits.ts'
import type { EventLog, LogRecord } from './event-log.ts'

/** What a test needs of an implementation: `open` again after `close` finds the same log. */
export type EventLogHarness = {
  open(): Promise<EventLog>
  /** Ends the log without closing it, as a power cut does: only what was acknowledged is there at the next `open`. */
  crash(log: EventLog): Promise<void>
  dispose(): Promise<void>
}

export function logRecord(text: string, change: Partial<LogRecord> = {}): LogRecord {
  return {
    version: 1,
    source: 'demo-01',
    role: 'hub',
    generation: 1,
    received_ms: 1_764_000_000_000,
    listener: 'mqtt',
    codec: 'plain',
    value: new TextEncoder().encode(text),
    ...change,
  }
}

/** The promise of `EventLog`, for every implementation. */
export function eventLogConformance(name: string, makeHarness: () => Promise<EventLogHarness>): void {
  describe(`${name} is an event log`, () => {
    let harness: EventLogHarness
    let log: EventLog
    beforeEach(async () => {
      harness = await makeHarness()
      log = await harness.open()
    })
    afterEach(async () => {
      await log.close()
      await harness.dispose()
    })
    const texts = async (bucket: number, from: number, maxBytes = 1e9) =>
      (await log.read(bucket, from, maxBytes)).map(({ position, record }) => [
        position,
        new TextDecoder().decode(record.value),
      ])

    test('numbers records from 1 in each bucket, in the order of the calls', async () => {
      const positions = await Promise.all(['a', 'b', 'c'].map((text) => log.append(0, logRecord(text))))
      expect(positions).toEqual([1, 2, 3])
      expect(await log.append(1, logRecord('other'))).toBe(1)
      expect(await texts(0, 2)).toEqual([
        [2, 'b'],
        [3, 'c'],
      ])
    })

    test('gives records back as they were', async () => {
      const record = logRecord('\u0000bytes\n', { dead: 'why', replay: true, role: 'service', codec: 'gzip' })
      await log.append(2, record)
      const [found] = await log.read(2, 1, 1e9)
      expect({ ...found?.record, value: Buffer.from(found?.record.value ?? []).toString() }).toEqual({
        ...record,
        value: '\u0000bytes\n',
      })
    })

    test('reads up to a number of bytes, and at least one record', async () => {
      for (const text of ['aaaa', 'bbbb', 'cccc']) await log.append(0, logRecord(text))
      expect((await texts(0, 1, 8)).length).toBe(2)
      expect(await texts(0, 1, 1)).toEqual([[1, 'aaaa']])
      expect(await texts(0, 4)).toEqual([])
    })

    test('read from before its begin gives what is still there, and from past its end nothing', async () => {
      for (const text of ['a', 'b', 'c']) await log.append(0, logRecord(text))
      await log.trim(0, 3)
      expect(await texts(0, 1)).toEqual([[3, 'c']])
      expect(await texts(0, 9)).toEqual([])
    })

    test('keeps the largest batch that a hub may send', async () => {
      const value = new Uint8Array(BATCH_COMPRESSED_MAX_BYTES).fill(7)
      expect(await log.append(1, { ...logRecord(''), value })).toBe(1)
      const [found] = await log.read(1, 1, 1)
      expect(Buffer.compare(found?.record.value ?? Buffer.alloc(0), value)).toBe(0)
    })

    test('an emptied log keeps its end, through close and crash', async () => {
      await Promise.all(Array.from({ length: 600 }, (_, i) => log.append(3, logRecord(`${i}`))))
      expect(await log.bounds(3)).toEqual({ first: 1, next: 601 })
      await log.trim(3, 400)
      expect(await log.bounds(3)).toEqual({ first: 400, next: 601 })
      await log.trim(3, 601)
      expect(await log.bounds(3)).toEqual({ first: 601, next: 601 })
      await log.close()
      log = await harness.open()
      expect(await log.bounds(3)).toEqual({ first: 601, next: 601 })
      await harness.crash(log)
      log = await harness.open()
      expect(await log.append(3, logRecord('next'))).toBe(601)
    })

    test('an empty log begins and ends at 1', async () => {
      expect(await log.bounds(0)).toEqual({ first: 1, next: 1 })
    })

    test('keeps its id for as long as it lives', async () => {
      const id = log.id
      await log.close()
      log = await harness.open()
      expect(log.id).toBe(id)
      expect(id).toMatch(/^[0-9a-f-]{36}$/)
    })

    test('what was acknowledged survives a crash', async () => {
      await Promise.all(['a', 'b'].map((text) => log.append(0, logRecord(text))))
      await harness.crash(log)
      log = await harness.open()
      expect(await texts(0, 1)).toEqual([
        [1, 'a'],
        [2, 'b'],
      ])
    })

    test('waitFor resolves when the record is there, and when the signal aborts', async () => {
      const abort = new AbortController()
      let done = ''
      const waiting = log.waitFor(0, 2, abort.signal).then(() => (done = 'record'))
      await log.append(0, logRecord('a'))
      expect(done).toBe('')
      await log.append(0, logRecord('b'))
      await waiting
      expect(done).toBe('record')
      await log.waitFor(0, 1, abort.signal)
      const never = log.waitFor(1, 1, abort.signal)
      abort.abort()
      await never
    })

    test('refuses a bucket that it does not have', async () => {
      await expect(log.append(4, logRecord('a'))).rejects.toThrow(/buckets 0 to 3/)
    })
  })
}
