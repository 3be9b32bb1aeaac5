/** Good packets in whatever order, cut at whatever byte, over TLS: the endpoint answers as a model of ten lines says. */
import fc from 'fast-check'
import type { Packet } from 'mqtt-packet'
import { afterAll, expect, test } from 'vitest'
import { COMMAND, connectPacket, NONE, packet, RESULT, text, word } from './mqtt-bytes.fixture.ts'
import { rawBench } from './mqtt-raw.fixture.ts'

const bench = await rawBench()
afterAll(() => bench[Symbol.asyncDispose]())

const OTHER = text('h/demo-02/result')
const STEPS = [
  'connect',
  'say',
  'tell',
  'tell other',
  'say other',
  'hear',
  'hear other',
  'unhear',
  'ping',
  'leave',
  'puback',
] as const
type Step = (typeof STEPS)[number]

function bytesOf(step: Step, level: 4 | 5, id: number): Buffer {
  const none = level === 5 ? [NONE] : []
  if (step === 'connect') return connectPacket({ level })
  if (step === 'say') return packet(0x30, RESULT, ...none, Buffer.from(String(id)))
  if (step === 'say other') return packet(0x30, OTHER, ...none)
  if (step === 'tell') return packet(0x32, RESULT, word(id), ...none, Buffer.from(String(id)))
  if (step === 'tell other') return packet(0x32, OTHER, word(id), ...none)
  if (step === 'hear') return packet(0x82, word(id), ...none, COMMAND, 1)
  if (step === 'hear other') return packet(0x82, word(id), ...none, text('h/demo-02/command'), 1)
  if (step === 'unhear') return packet(0xa2, word(id), ...none, COMMAND)
  if (step === 'ping') return packet(0xc0)
  return step === 'leave' ? packet(0xe0) : packet(0x40, word(id))
}

/** What must be answered to these steps, and which messages taken; `ends` when the connection is over before they are. */
function model(steps: readonly Step[], level: 4 | 5) {
  const said: string[] = []
  const taken: string[] = []
  let hears = false
  const end = (code?: number) => {
    if (code !== undefined && level === 5) said.push(`disconnect ${code}`)
    return { said, taken, ends: true }
  }
  for (const [i, step] of steps.entries()) {
    const id = i + 1
    if (i === 0) {
      if (step !== 'connect') return end()
      said.push('connack 0')
    } else if (step === 'connect' || step === 'puback') return end(0x82)
    else if (step === 'leave') return end()
    else if (step === 'say other' || (step === 'tell other' && level === 4)) return end(0x87)
    else if (step === 'tell other') said.push(`puback ${id} 135`)
    else if (step === 'say') taken.push(String(id))
    else if (step === 'tell') {
      taken.push(String(id))
      said.push(`puback ${id} 0`)
    } else if (step === 'ping') said.push('pingresp')
    else if (step === 'unhear') {
      said.push(level === 5 ? `unsuback ${id} ${hears ? 0 : 0x11}` : `unsuback ${id}`)
      hears = false
    } else {
      said.push(`suback ${id} ${step === 'hear' ? 0 : level === 5 ? 0x87 : 0x80}`)
      hears ||= step === 'hear'
    }
  }
  return { said, taken, ends: false }
}

function wordsOf(one: Packet): string {
  if (one.cmd === 'connack') return `connack ${one.reasonCode ?? one.returnCode}`
  if (one.cmd === 'disconnect') return `disconnect ${one.reasonCode}`
  if (one.cmd === 'puback') return `puback ${one.messageId} ${one.reasonCode ?? 0}`
  if (one.cmd === 'suback') return `suback ${one.messageId} ${one.granted.map(Number).join()}`
  if (one.cmd === 'unsuback') return `unsuback ${one.messageId}${one.granted?.length ? ` ${one.granted.join()}` : ''}`
  return one.cmd ?? 'nothing'
}

const steps = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .array(fc.constantFrom(...STEPS), { maxLength: 12 })
      .map((more): readonly Step[] => ['connect', ...more]),
  },
  { weight: 1, arbitrary: fc.array(fc.constantFrom(...STEPS), { minLength: 1, maxLength: 4 }) },
)

test('whatever order they come in and however they are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.constantFrom(4 as const, 5 as const),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
      async (order, level, sizes) => {
        const expected = model(order, level)
        const before = bench.heard.messages.length
        const client = await bench.dial(level)
        const all = Buffer.concat(order.map((step, i) => bytesOf(step, level, i + 1)))
        for (let at = 0, i = 0; at < all.length; i++) {
          const size = sizes[i % sizes.length] ?? 1
          client.socket.write(all.subarray(at, at + size))
          at += size
        }
        if (expected.ends) await client.closed
        else await client.until(expected.said.length)
        // What is taken and not answered is taken once something after it is.
        if (!expected.ends) {
          client.send(packet(0xc0))
          await client.until(expected.said.length + 1)
          expected.said.push('pingresp')
          client.socket.destroy()
        }
        expect(client.packets.map(wordsOf)).toEqual(expected.said)
        expect(bench.heard.messages.slice(before)).toEqual(expected.taken)
        expect(bench.heard.faults).toEqual([])
      },
    ),
    { numRuns: 150 },
  )
  await expect.poll(() => bench.endpoint.count).toBe(0)
})
