/** What docs/hub-protocol.md asks of a hub's telemetry; run after COMMAND_CHECKS, whose commands it must tell of. */
import { compareBoots, parseBoot } from '../../contract/source.ts'
import { HUB_WAIT_MS } from '../limits.ts'
import type { Check } from './check.ts'
import type { HubBench, ReceivedBatch } from './hub-bench.ts'

type HubCheck = Check<HubBench>
type Good = ReceivedBatch & { readonly header: NonNullable<ReceivedBatch['header']> }

const isGood = (batch: ReceivedBatch): batch is Good => batch.header !== undefined
const nameOf = ({ header }: Good) => `${header.boot} ${header.stream} ${header.first}+${header.count}`

const NO_BATCH = { skipped: 'no batch came' }

export const TELEMETRY_CHECKS: readonly HubCheck[] = [
  {
    check: 'telemetry.batch',
    expected: 'the hub sends batches of QoS 1 to the gateway',
    async run({ watch, batches, absent }) {
      // Who did not come to the relay had that time for the gateway too.
      if (absent && batches.length === 0) return { skipped: 'the hub is not connected' }
      return (await watch.until(() => batches.length > 0, HUB_WAIT_MS)) || 'none came'
    },
  },
  {
    check: 'telemetry.resend',
    expected: 'a batch without a PUBACK comes again on the next connection, with the same numbers and the same lines',
    async run(bench) {
      const from = bench.batches.length
      if (from === 0) return NO_BATCH
      bench.telemetry('hold')
      const session = await bench.session()
      // Something to tell of.
      if (session) bench.send(session, bench.command(session))
      const held = await bench.watch.until(
        () => bench.batches.slice(from).some((batch) => isGood(batch) && batch.header.count > 0),
        HUB_WAIT_MS,
      )
      bench.telemetry('take')
      if (!held) return 'no batch came to be held'
      const first = bench.batches
        .slice(from)
        .filter(isGood)
        .find(({ header }) => header.count > 0)
      if (!first) return 'no batch came to be held'
      const same = () =>
        bench.batches
          .slice(bench.batches.indexOf(first) + 1)
          .filter(isGood)
          .find(
            (batch) =>
              batch.header.boot === first.header.boot &&
              batch.header.stream === first.header.stream &&
              batch.header.first === first.header.first,
          )
      if (!(await bench.watch.until(() => same() !== undefined, HUB_WAIT_MS)))
        return `${nameOf(first)} did not come again`
      const again = same()
      return (
        again?.lines.join('\n') === first.lines.join('\n') ||
        `${nameOf(first)} came again as ${again ? nameOf(again) : 'another'}, with other lines`
      )
    },
  },
  {
    check: 'telemetry.stages',
    expected: 'the stages received and executed of a command are events of the control stream',
    async run(bench) {
      if (bench.batches.length === 0) return NO_BATCH
      if (bench.absent) return { skipped: 'the hub is not connected' }
      const session = await bench.session()
      if (!session) return 'the hub is not connected'
      const command = bench.command(session)
      bench.send(session, command)
      if (!(await bench.end(command.command))) return 'a command was not executed'
      const stages = () =>
        bench.batches
          .filter((batch) => batch.header?.stream === 'control')
          .flatMap(({ lines }) => lines)
          .map((line): { readonly kind?: unknown; readonly command?: unknown; readonly stage?: unknown } =>
            JSON.parse(line),
          )
          .filter((event) => event.kind === 'command' && event.command === command.command)
          .map(({ stage }) => stage)
      await bench.watch.until(() => stages().includes('executed'), HUB_WAIT_MS)
      const found = [...new Set(stages())]
      return (found.includes('received') && found.includes('executed')) || `stages ${found.join(', ') || 'none'}`
    },
  },
  {
    check: 'telemetry.form',
    expected: 'every batch is as the document says: header, count, crc, numbers, an m and a kind in each event',
    async run({ batches }) {
      if (batches.length === 0) return NO_BATCH
      const bad = batches.filter(({ fault }) => fault !== undefined)
      return bad.length === 0 || `${bad.length} of ${batches.length} batches, the first: ${bad[0]?.fault}`
    },
  },
  {
    check: 'telemetry.boot',
    expected: "every batch's boot is of the certificate's generation, and counters only rise",
    async run({ batches, generation }) {
      const boots = batches
        .filter(isGood)
        .filter(({ header }) => header.now !== undefined)
        .map(({ header }) => parseBoot(header.boot))
      if (boots.length === 0) return { skipped: 'no batch came that tells its now' }
      const other = boots.find((boot) => boot.generation !== generation)
      if (other) return `generation ${other.generation}, and the certificate's is ${generation}`
      return (
        boots.every((boot, i) => {
          const before = boots[i - 1] ?? boot
          return boot.counter === before.counter ? boot.random === before.random : compareBoots(before, boot) < 0
        }) || 'a boot counter was used twice, or a boot that was over sent with now'
      )
    },
  },
  {
    check: 'telemetry.numbers',
    expected: 'the numbers of each boot and stream have no hole but what is in dropped, and never two meanings',
    async run({ batches }) {
      const full = batches.filter(isGood).filter(({ header }) => header.count > 0)
      if (full.length === 0) return { skipped: 'no batch came that has an event' }
      const streams = Map.groupBy(batches.filter(isGood), ({ header }) => `${header.boot} ${header.stream}`)
      for (const [name, all] of streams) {
        const lines = new Map<number, string>()
        for (const { header, lines: events } of all) {
          for (const [i, line] of events.entries()) {
            const seq = header.first + i
            const before = lines.get(seq)
            if (before !== undefined && before !== line) return `${name} ${seq} has two meanings`
            lines.set(seq, line)
          }
        }
        const dropped = all.flatMap(({ header }) => header.dropped)
        const numbers = [...lines.keys()]
        for (let seq = Math.min(...numbers); seq < Math.max(...numbers); seq++) {
          if (!lines.has(seq) && !dropped.some(([from, to]) => seq >= from && seq < to))
            return `${name} ${seq} is missing`
        }
      }
      return true
    },
  },
]
