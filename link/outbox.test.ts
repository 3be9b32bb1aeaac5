import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BatchHeader, batchHeader, eventsCrc } from '../contract/batch.ts'
import { type IntervalSet, intervalSet, union } from '../contract/interval.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { unpack } from './batch-codec.ts'
import { type MemoryDisk, memoryDisk } from './memory-disk.ts'
import { type Outbox, type OutboxOptions, openOutbox, type Transmission } from './outbox.ts'

const STREAMS = ['control', 'readings']
const contains = (set: IntervalSet, seq: number) => set.some(([from, to]) => from <= seq && seq < to)

function optionsFor(disk: MemoryDisk, extra: Partial<OutboxOptions> = {}): OutboxOptions {
  return {
    disk,
    clock: new ManualClock(),
    random: seededRandom(1),
    source: 'demo-01',
    generation: 1,
    firmware: '4.2.1',
    agent: '1.0.0',
    streams: STREAMS.map((name) => ({ name, max_bytes: 16 * 1024 })),
    batch_bytes: 1_024,
    ...extra,
  }
}

/** What a cloud that believes nothing knows after the transmissions that reached it. */
function openCloud() {
  const received = new Map<string, string>()
  const cuts = new Map<string, string>()
  const cutOf = new Map<string, number>()
  const streams = new Map<string, { next: number; acked: number; dropped: IntervalSet; closed: boolean }>()

  function tell(
    header: BatchHeader,
    boot: string,
    told: { next: number; acked: number; dropped: IntervalSet; held?: boolean },
  ) {
    const name = `${boot} ${header.stream}`
    const known = streams.get(name) ?? { next: 0, acked: 0, dropped: [], closed: false }
    streams.set(name, {
      next: Math.max(known.next, told.next),
      acked: Math.max(known.acked, told.acked),
      dropped: union(known.dropped, intervalSet(told.dropped)),
      closed: known.closed || told.held === false,
    })
  }

  return {
    received,
    streams,
    receive(bytes: Uint8Array) {
      const text = unpack(bytes).toString()
      const end = text.indexOf('\n') + 1
      const header = batchHeader.parse(JSON.parse(text.slice(0, end)))
      const body = text.slice(end)
      const lines = body.split('\n').slice(0, -1)
      expect(lines).toHaveLength(header.count)
      expect(header.crc).toBe(eventsCrc(body))
      if (header.count > 0) {
        // The same first number is the same batch with the same lines, and no number is in two batches.
        const cut = `${header.boot} ${header.stream} ${header.first}`
        expect(cuts.get(cut) ?? body).toBe(body)
        cuts.set(cut, body)
      }
      lines.forEach((line, i) => {
        const name = `${header.boot} ${header.stream} ${header.first + i}`
        expect(cutOf.get(name) ?? header.first).toBe(header.first)
        cutOf.set(name, header.first)
        received.set(name, line)
      })
      tell(header, header.boot, header)
      for (const previous of header.previous) tell(header, previous.boot, previous)
      return header
    },
    /** Below `acked` everything is here or told as dropped. */
    checkPromises() {
      for (const [name, { acked, dropped }] of streams) {
        for (let seq = 0; seq < acked; seq++) {
          expect(received.has(`${name} ${seq}`) || contains(dropped, seq), `${name} ${seq} is below acked`).toBe(true)
        }
      }
    },
  }
}

test('a batch that is damaged on the disk is dropped, and told so, and what follows it is sent', async () => {
  const disk = memoryDisk()
  const outbox = await openOutbox(optionsFor(disk))
  for (let i = 0; i < 60; i++) outbox.append('readings', { m: i, kind: 'reading', note: 'x'.repeat(40) })
  const [body] = disk.scan('outbox/body/', 'outbox/body/~')
  disk.write([{ put: body?.key ?? '', value: body?.value.subarray(0, 20) ?? new Uint8Array() }])
  const damaged = outbox.take('readings')
  expect(() => damaged && outbox.transmit(damaged)).toThrow(/not whole zstd/)
  if (damaged) outbox.release(damaged)
  const next = outbox.take('readings')
  expect(next?.first).toBe(damaged?.count)
  expect(next && outbox.transmit(next).header.dropped).toEqual([[0, damaged?.count]])
})

describe('outbox', () => {
  test('gives each start a boot above all before, synced before it is used', async () => {
    let disk = memoryDisk()
    const boots: string[] = []
    for (let i = 0; i < 3; i++) {
      const outbox = await openOutbox(optionsFor(disk, { random: seededRandom(i) }))
      boots.push(outbox.boot())
      disk = disk.crash()
    }
    expect(boots.map((boot) => boot.split('-')[1])).toEqual(['1', '2', '3'])
    const outbox = await openOutbox(optionsFor(disk, { floor: 41 }))
    expect(outbox.boot()).toMatch(/^1-42-/)
    expect([outbox.nextEpoch(), outbox.nextEpoch()]).toEqual(['1.42.1', '1.42.2'])
  })

  test('no boot is used that the disk has not synced', async () => {
    const disk = memoryDisk()
    const { sync } = disk
    const held = Promise.withResolvers<void>()
    disk.sync = () => held.promise
    const opening = openOutbox(optionsFor(disk))
    expect(await Promise.race([opening, turn('held back')])).toBe('held back')
    held.reject(new Problem('unavailable', 'cannot be synced: EIO'))
    await expect(opening).rejects.toThrow(/EIO/)
    disk.sync = sync
    const outbox = await openOutbox(optionsFor(disk))
    const boot = outbox.boot()
    disk.sync = () => held.promise
    await expect(outbox.raise(9)).rejects.toThrow(/EIO/)
    expect(outbox.boot()).toBe(boot)
  })

  test('jumps above a floor while it runs: what was numbered keeps its boot', async () => {
    const outbox = await openOutbox(optionsFor(memoryDisk()))
    outbox.append('control', { m: 1, kind: 'health' })
    const before = outbox.boot()
    expect(await outbox.raise(9)).toMatch(/^1-10-/)
    expect(await outbox.raise(9)).toMatch(/^1-10-/)
    outbox.append('control', { m: 2, kind: 'health' })
    const first = outbox.take('control')
    expect(first?.boot).toBe(before)
    expect(outbox.take('control', { flush: true })?.boot).toBe(outbox.boot())
  })

  test('an append is kept though the disk refuses to make a batch of it, and its batch is made later', async () => {
    const disk = memoryDisk()
    const outbox = await openOutbox({ ...optionsFor(disk), batch_bytes: 4_096 })
    const { write } = disk
    let writes = 0
    disk.write = (changes) => {
      if (++writes > 1) throw new Problem('unavailable', 'cannot be written: EIO')
      write(changes)
    }
    const long = { m: 1, kind: 'log', text: 'x'.repeat(5_000) }
    expect(outbox.append('control', long)).toBe(0)
    disk.write = write
    expect(outbox.take('control', { flush: true })).toMatchObject({ first: 0, count: 1 })
    expect(outbox.append('control', long)).toBe(1)
  })

  test('two that tell a floor at once make one boot, above both', async () => {
    const disk = memoryDisk()
    const outbox = await openOutbox(optionsFor(disk))
    const [low, high] = await Promise.all([outbox.raise(9), outbox.raise(7)])
    expect([low, high]).toEqual([outbox.boot(), outbox.boot()])
    const [, higher] = await Promise.all([outbox.raise(20), outbox.raise(30)])
    expect(higher).toMatch(/^1-31-/)
    outbox.append('control', { m: 1, kind: 'health' })
    expect(outbox.take('control', { flush: true })?.boot).toBe(higher)
    expect((await openOutbox(optionsFor(disk.kill()))).boot()).toMatch(/^1-32-/)
  })

  test('what the boot before numbers while the jump is written down is neither forgotten nor orphaned', async () => {
    const disk = memoryDisk()
    const outbox = await openOutbox(optionsFor(disk))
    const boot = outbox.boot()
    const { sync } = disk
    const slow = Promise.withResolvers<void>()
    disk.sync = () => slow.promise.then(sync)
    const raised = outbox.raise(9)
    outbox.append('control', { m: 1, kind: 'health' })
    slow.resolve()
    await raised
    expect(outbox.take('control', { flush: true })).toMatchObject({ boot, first: 0, count: 1 })
    const again = await openOutbox(optionsFor(disk.kill()))
    expect(again.take('control', { flush: true })).toMatchObject({ boot, first: 0, count: 1 })
  })

  test('a stream that is no longer named is sent and closed, and takes no more', async () => {
    const first = memoryDisk()
    const before = await openOutbox(optionsFor(first))
    before.append('readings', { m: 1, kind: 'reading' })
    const streams = [{ name: 'control' }]
    const disk = first.kill()
    const outbox = await openOutbox(optionsFor(disk, { streams }))
    const cloud = openCloud()
    expect(outbox.streams).toEqual(['control', 'readings'])
    expect(ship(outbox, 'readings', cloud)).toMatchObject({ boot: before.boot(), count: 1 })
    expect(ship(outbox, 'readings', cloud)).toMatchObject({ boot: outbox.boot(), count: 0 })
    expect(outbox.pending('readings')).toBe(false)
    expect(() => outbox.append('readings', { m: 2, kind: 'reading' })).toThrow(/has no stream readings/)
    expect((await openOutbox(optionsFor(disk.kill(), { streams }))).pending('readings')).toBe(false)
  })

  test('an earlier boot is sent first, without `now`, and closed by a later header', async () => {
    const disk = memoryDisk()
    const before = await openOutbox(optionsFor(disk))
    before.append('control', { m: 1, kind: 'health' })
    const outbox = await openOutbox(optionsFor(disk.kill()))
    const cloud = openCloud()
    const first = ship(outbox, 'control', cloud)
    expect(first).toMatchObject({ boot: before.boot(), count: 1, next: 1, previous: [] })
    expect(first).not.toHaveProperty('now')
    // Nothing of its own to send: an empty batch tells the account.
    const second = ship(outbox, 'control', cloud)
    expect(second).toMatchObject({ boot: outbox.boot(), count: 0, now: 0 })
    expect(second?.previous).toEqual([{ boot: before.boot(), next: 1, acked: 1, dropped: [], held: false }])
    expect(outbox.pending('control')).toBe(false)
    expect(ship(outbox, 'control', cloud)).toBeUndefined()
  })

  test('says of an earlier boot that it is held until it is not', async () => {
    const disk = memoryDisk()
    const before = await openOutbox(optionsFor(disk))
    before.append('control', { m: 1, kind: 'health' })
    const outbox = await openOutbox(optionsFor(disk.kill()))
    outbox.append('control', { m: 1, kind: 'health' })
    const old = outbox.take('control')
    const own = outbox.take('control', { flush: true })
    if (!old || !own) throw new Error('both boots have a batch')
    expect(outbox.transmit(own).header.previous).toMatchObject([{ boot: before.boot(), held: true }])
    outbox.acknowledge(outbox.transmit(old))
    expect(outbox.transmit(own).header.previous).toMatchObject([{ boot: before.boot(), held: false }])
  })

  test('an answer that was overtaken does not bring back a boot that is closed', async () => {
    const first = memoryDisk()
    const before = await openOutbox(optionsFor(first))
    before.append('control', { m: 1, kind: 'health' })
    const disk = first.kill()
    const outbox = await openOutbox(optionsFor(disk))
    const old = outbox.take('control')
    for (let i = 0; i < 2; i++) outbox.append('control', { m: 1, kind: 'health' })
    const slow = outbox.take('control', { flush: true })
    outbox.append('control', { m: 2, kind: 'health' })
    const quick = outbox.take('control', { flush: true })
    if (!old || !slow || !quick) throw new Error('three batches are in flight')
    const overtaken = outbox.transmit(slow)
    outbox.acknowledge(outbox.transmit(old))
    outbox.acknowledge(outbox.transmit(quick))
    outbox.acknowledge(overtaken)
    const again = await openOutbox(optionsFor(disk.kill()))
    expect(again.take('control')).toBeUndefined()
    expect(again.take('control', { flush: true })).toMatchObject({ boot: again.boot(), count: 0 })
  })

  test('at its bound drops whole oldest batches, and tells of them until that is acknowledged', async () => {
    const outbox = await openOutbox(optionsFor(memoryDisk(), { codec: 'plain' }))
    for (let i = 0; i < 400; i++) outbox.append('readings', { m: i, kind: 'reading', text: 'x'.repeat(40) })
    const { bytes, dropped } = outbox.status().find((one) => one.stream === 'readings') ?? { bytes: 0, dropped: 0 }
    expect(bytes).toBeLessThanOrEqual(16 * 1024)
    expect(dropped).toBeGreaterThan(100)
    const batch = outbox.take('readings')
    if (!batch) throw new Error('there is a batch')
    expect(batch.first).toBe(dropped)
    expect(outbox.transmit(batch).header.dropped).toEqual([[0, dropped]])
    outbox.release(batch)
    const cloud = openCloud()
    expect(ship(outbox, 'readings', cloud)?.dropped).toEqual([[0, dropped]])
    expect(ship(outbox, 'readings', cloud)?.dropped).toEqual([])
    expect(outbox.status().find((one) => one.stream === 'control')?.dropped).toBe(0)
  })

  test('a batch refused for good counts as dropped and blocks nothing', async () => {
    const outbox = await openOutbox(optionsFor(memoryDisk()))
    outbox.append('control', { m: 1, kind: 'health' })
    const batch = outbox.take('control', { flush: true })
    if (!batch) throw new Error('there is a batch')
    outbox.refuse(outbox.transmit(batch))
    const cloud = openCloud()
    expect(ship(outbox, 'control', cloud)).toMatchObject({ count: 0, next: 1, acked: 1, dropped: [[0, 1]] })
    expect(outbox.pending('control')).toBe(false)
  })

  test('names the limit of an event, another source’s disk, a newer format', async () => {
    const disk = memoryDisk()
    const outbox = await openOutbox(optionsFor(disk))
    expect(() => outbox.append('control', { m: 1, kind: 'log', text: 'x'.repeat(70_000) })).toThrow(/at most 65536/)
    await expect(openOutbox(optionsFor(disk, { source: 'demo-02' }))).rejects.toThrow(/is of source demo-01/)
    disk.write([{ put: 'outbox/meta', value: Buffer.from('{"version":7,"source":"demo-01","counter":1}') }])
    await expect(openOutbox(optionsFor(disk))).rejects.toSatisfy((error) => isProblem(error, 'corrupt'))
  })
})

function ship(outbox: Outbox, stream: string, cloud: ReturnType<typeof openCloud>): BatchHeader | undefined {
  const batch = outbox.take(stream, { flush: true })
  if (!batch) return undefined
  const transmission = outbox.transmit(batch)
  const header = cloud.receive(transmission.bytes)
  outbox.acknowledge(transmission)
  return header
}

/** A step of the model: indexes are taken modulo what there is. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('append'), stream: fc.nat(1), count: fc.nat(30), together: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('take'), stream: fc.nat(1), flush: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('deliver', 'lose the answer', 'lose', 'refuse'), which: fc.nat(9) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('restart', 'power cut', 'raise') }) },
)
type Step = { do: string; stream?: number; count?: number; together?: boolean; flush?: boolean; which?: number }

test('whatever the interleaving: no number in two batches, no promise broken, the account complete', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 120 }), async (steps: Step[]) => {
      const clock = new ManualClock()
      const random = seededRandom(7)
      let disk = memoryDisk()
      const open = () =>
        openOutbox(
          optionsFor(disk, {
            clock,
            random,
            streams: STREAMS.map((name) => ({ name, max_bytes: 8_192 })),
            codec: 'plain',
          }),
        )
      let outbox = await open()
      const cloud = openCloud()
      const flying: Transmission[] = []
      /** Every number given out, until a power cut took it. */
      let given = new Map<string, string>()
      let synced = new Map<string, string>()
      for (const one of steps) {
        const stream = STREAMS[one.stream ?? 0] ?? ''
        if (one.do === 'append') {
          const texts = Array.from({ length: one.count ?? 0 }, (_, i) => `${given.size + i} `.repeat(10))
          for (const part of one.together ? [texts] : texts.map((text) => [text])) {
            const events = part.map((text) => ({ m: outbox.m(), kind: 'log', text }))
            const first = outbox.appendAll(stream, events)
            for (const [i, text] of part.entries()) given.set(`${outbox.boot()} ${stream} ${first + i}`, text)
          }
        } else if (one.do === 'take') {
          const batch = outbox.take(stream, { flush: one.flush ?? false })
          if (!batch) continue
          await outbox.sync()
          synced = new Map(given)
          flying.push(outbox.transmit(batch))
        } else if (one.do === 'restart' || one.do === 'power cut') {
          flying.length = 0
          if (one.do === 'power cut') given = new Map(synced)
          disk = one.do === 'restart' ? disk.kill() : disk.crash()
          outbox = await open()
          synced = new Map(given)
        } else if (one.do === 'raise') {
          await outbox.raise(Number(outbox.boot().split('-')[1]) + (one.which ?? 0))
          synced = new Map(given)
        } else {
          const index = flying.length > 0 ? (one.which ?? 0) % flying.length : 0
          const [chosen] = flying.splice(index, 1)
          if (!chosen) continue
          if (one.do === 'deliver' || one.do === 'lose the answer') cloud.receive(chosen.bytes)
          if (one.do === 'deliver') outbox.acknowledge(chosen)
          else if (one.do === 'refuse') outbox.refuse(chosen)
          else outbox.release(chosen.batch)
        }
        cloud.checkPromises()
      }
      for (const chosen of flying) outbox.release(chosen.batch)
      for (const stream of STREAMS) {
        let rounds = 0
        while (ship(outbox, stream, cloud)) expect(rounds++).toBeLessThan(2_000)
        expect(outbox.pending(stream)).toBe(false)
      }
      cloud.checkPromises()
      for (const [name, text] of given) {
        const at = name.lastIndexOf(' ')
        const account = cloud.streams.get(name.slice(0, at))
        const line = cloud.received.get(name)
        const seq = Number(name.slice(at + 1))
        expect(
          line !== undefined || contains(account?.dropped ?? [], seq),
          `${name} is stored or told as dropped`,
        ).toBe(true)
        if (line !== undefined) expect(JSON.parse(line)).toHaveProperty('text', text)
        expect(account?.next).toBeGreaterThan(seq)
      }
    }),
    { numRuns: 300 },
  )
})
