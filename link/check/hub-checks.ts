/** What docs/hub-protocol.md asks of a hub that takes commands. In this order: each begins where the one before ended. */
import { compareEpochs, formatEpoch, parseEpoch } from '../../contract/source.ts'
import { backOff_ms } from '../back-off.ts'
import { BACK_OFF_SLACK_MS, CHECK_WAIT_MS, POWER_WAIT_MS } from '../limits.ts'
import type { MqttSession } from '../mqtt-handler.ts'
import { REASON } from '../mqtt-reason.ts'
import type { Check } from './check.ts'
import type { HubBench, Result } from './hub-bench.ts'

type HubCheck = Check<HubBench>

const NOBODY = 'the hub is not connected and subscribed'
/** Of the back-off: refusals in a row. */
const REFUSALS = 4

const seen = (results: readonly Result[]) =>
  results.length === 0
    ? 'no result'
    : results.map(({ stage, reason }) => (reason === undefined ? stage : `${stage} (${reason})`)).join(', ')

/** Sends what `make` makes of the session and expects it to end so. */
function ends(
  check: string,
  expected: string,
  stage: Result['stage'],
  make: (bench: HubBench, session: MqttSession) => ReturnType<HubBench['command']>,
): HubCheck {
  return {
    check: `command.${check}`,
    expected,
    async run(bench) {
      const session = await bench.session()
      if (!session) return NOBODY
      const command = make(bench, session)
      bench.send(session, command)
      const end = await bench.end(command.command)
      return end?.stage === stage || seen(bench.results(command.command))
    },
  }
}

/** One that is executed; undefined when it is not. */
async function executed(
  bench: HubBench,
): Promise<{ readonly session: MqttSession; readonly command: ReturnType<HubBench['command']> } | undefined> {
  const session = await bench.session()
  if (!session) return undefined
  const command = bench.command(session)
  bench.send(session, command)
  return (await bench.end(command.command))?.stage === 'executed' ? { session, command } : undefined
}

const notExecuted = ({ absent }: HubBench) => (absent ? NOBODY : 'a first command was not executed, see above')

/** The first check that waits for a session in vain has failed; those after it are skipped for as long as there is none. */
const inSession = (one: HubCheck): HubCheck => ({
  ...one,
  run: async (bench) => (bench.absent ? { skipped: NOBODY } : one.run(bench)),
})

const CONNECT_CHECKS: readonly HubCheck[] = [
  {
    check: 'session.connect',
    expected:
      'the hub connects, in an epoch <generation>.<boot counter>.<connect count> of its certificate, and subscribes',
    async run(bench) {
      if (await bench.session()) return true
      if (bench.attempts.length > 0) return 'it connected, and did not subscribe'
      return bench.refusal === undefined ? NOBODY : `${NOBODY}; one was turned away by the ${bench.refusal}`
    },
  },
]

const SESSION_CHECKS: readonly HubCheck[] = [
  {
    check: 'command.executed',
    expected: 'a command gets the results received and executed within its time, with ms and issued',
    async run(bench) {
      const session = await bench.session()
      if (!session) return NOBODY
      const command = bench.command(session)
      bench.send(session, command)
      await bench.end(command.command)
      const results = bench.results(command.command)
      if (results.map(({ stage }) => stage).join() !== 'received,executed') return seen(results)
      const echo = results.find(({ issued }) => issued !== command.issued)
      return (
        echo === undefined || `issued ${String(echo.issued)} in ${echo.stage}, and the command said ${command.issued}`
      )
    },
  },
  {
    check: 'command.repeat',
    expected: 'the same command again is answered executed from the journal',
    async run(bench) {
      const first = await executed(bench)
      if (!first) return notExecuted(bench)
      bench.send(first.session, { ...first.command, stamp: bench.clock.monotonic() })
      const again = await bench.next(first.command.command, 2)
      return again?.stage === 'executed' || seen(bench.results(first.command.command).slice(2))
    },
  },
  {
    check: 'command.other-hash',
    expected: 'the same id with another hash is rejected',
    async run(bench) {
      const first = await executed(bench)
      if (!first) return notExecuted(bench)
      bench.send(first.session, { ...first.command, hash: '0123456789abcdef', stamp: bench.clock.monotonic() })
      const again = await bench.next(first.command.command, 2)
      return again?.stage === 'rejected' || seen(bench.results(first.command.command).slice(2))
    },
  },
  ends('older-epoch', 'a command of an older epoch is rejected', 'rejected', (bench, session) => {
    const epoch = parseEpoch(session.epoch)
    return bench.command(session, { epoch: formatEpoch({ ...epoch, connect: Math.max(0, epoch.connect - 1) }) })
  }),
  ends(
    'expired',
    'a command that lay on its way for longer than it had left is expired, and not executed',
    'expired',
    (bench, session) => bench.command(session, { stamp: bench.clock.monotonic() - 10_000, left_ms: 2_000 }),
  ),
  ends('in-time', 'and one that lay there, and has time left all the same, is executed', 'executed', (bench, session) =>
    bench.command(session, { stamp: bench.clock.monotonic() - 1_000, left_ms: CHECK_WAIT_MS }),
  ),
  {
    check: 'command.order',
    expected: 'commands to one device are executed in the order in which they came',
    async run(bench) {
      const session = await bench.session()
      if (!session) return NOBODY
      const commands = Array.from({ length: 5 }, () => bench.command(session))
      const order: string[] = []
      for (const command of commands) bench.send(session, command)
      await Promise.all(commands.map(async ({ command }) => (await bench.end(command)) && order.push(command)))
      const wanted = commands.map(({ command }) => command)
      return (
        order.join() === wanted.join() || `ended as ${order.map((id) => wanted.indexOf(id) + 1).join(', ') || 'none'}`
      )
    },
  },
  {
    check: 'session.reconnect',
    expected: 'after a cut the hub connects again, in a higher epoch, and still knows what it executed',
    async run(bench) {
      const first = await executed(bench)
      if (!first) return notExecuted(bench)
      first.session.close({ kind: 'lost', planned: false, text: 'the check cut it' })
      const session = await bench.session(first.session)
      if (!session) return 'it did not come back'
      if (compareEpochs(parseEpoch(session.epoch), parseEpoch(first.session.epoch)) <= 0)
        return `epoch ${session.epoch} after ${first.session.epoch}`
      bench.send(session, { ...first.command, stamp: bench.clock.monotonic(), epoch: session.epoch })
      const again = await bench.next(first.command.command, 2)
      return again?.stage === 'executed' || seen(bench.results(first.command.command).slice(2))
    },
  },
  {
    check: 'session.back-off',
    expected: `after the n-th refusal in a row (0x89) the hub waits up to min(20 s, 0.5 s × 2ⁿ⁻¹), at random`,
    async run(bench) {
      const session = await bench.session()
      if (!session) return NOBODY
      bench.answer(() => ({ accept: false, code: REASON.serverBusy, reason: 'the check refuses for a while' }))
      const from = bench.attempts.length
      session.close({ kind: 'lost', planned: false, text: 'the check cut it' })
      // What came before may all have been failures in a row: no session of this check is held for a minute.
      const most_ms = (attempt: number) => backOff_ms(from + attempt, 1) + BACK_OFF_SLACK_MS
      const ceiling_ms = [...Array(REFUSALS + 1).keys()].reduce((sum, attempt) => sum + most_ms(attempt), 0)
      const came = await bench.watch.until(() => bench.attempts.length > from + REFUSALS, ceiling_ms)
      bench.answer(() => ({ accept: true }))
      const at = bench.attempts.slice(from).map(({ at_ms }) => at_ms)
      const gaps_ms = at.slice(1).map((later, i) => later - (at[i] ?? 0))
      const told = gaps_ms.map((gap_ms) => `${(gap_ms / 1000).toFixed(2)} s`).join(', ')
      if (!came) return `${at.length} attempts within ${Math.round(ceiling_ms / 1000)} s`
      const late = gaps_ms.findIndex((gap_ms, i) => gap_ms > most_ms(i + 1))
      if (late >= 0) return `waits of ${told}`
      // Uniform waits of up to 1, 2, 4 and 8 s are together below half a second once in 25,000 times; handshakes are in it.
      return gaps_ms.reduce((sum, gap_ms) => sum + gap_ms, 0) > 500 || `waits of ${told}: it hammers`
    },
  },
  {
    check: 'session.use-another',
    expected: 'after DISCONNECT 0x9C the hub connects again after one short random wait',
    async run(bench) {
      const session = await bench.session()
      if (!session) return NOBODY
      if (session.protocol === 4) return { skipped: '3.1.1 is not told so' }
      const at_ms = bench.clock.monotonic()
      session.close({ kind: 'draining', planned: true, code: REASON.useAnotherServer, text: 'the check moves the hub' })
      const next = await bench.session(session)
      if (!next) return 'it did not come back'
      const took_ms = bench.clock.monotonic() - at_ms
      return took_ms <= backOff_ms(2, 1) + BACK_OFF_SLACK_MS || `it came back after ${(took_ms / 1000).toFixed(1)} s`
    },
  },
  {
    check: 'session.floor',
    expected: 'refused with hearth-floor, the hub begins a boot with the counter floor + 1',
    async run(bench) {
      const session = await bench.session()
      if (!session) return NOBODY
      if (session.protocol === 4) return { skipped: '3.1.1 carries no floor' }
      const floor = parseEpoch(session.epoch).counter + 10
      const from = bench.attempts.length
      bench.answer(() =>
        (bench.attempts.at(-1)?.epoch.counter ?? 0) > floor
          ? { accept: true }
          : { accept: false, code: REASON.notAuthorised, reason: 'an older boot', floor },
      )
      session.close({ kind: 'lost', planned: false, text: 'the check cut it' })
      const next = await bench.session(session)
      bench.answer(() => ({ accept: true }))
      const counters = bench.attempts.slice(from).map(({ epoch }) => epoch.counter)
      return (
        (next !== undefined && counters.at(-1) === floor + 1) ||
        `floor ${floor}, and then counters ${counters.join(', ') || 'of no attempt'}`
      )
    },
  },
]

const FORM_CHECKS: readonly HubCheck[] = [
  {
    check: 'results.form',
    expected: 'all that the hub published is a result or a state as the document has them',
    async run({ nonsense, published }) {
      if (published === 0) return { skipped: 'the hub published nothing' }
      return nonsense.length === 0 || `${nonsense.length} messages, the first is ${nonsense[0]}`
    },
  },
]

export const COMMAND_CHECKS: readonly HubCheck[] = [...CONNECT_CHECKS, ...SESSION_CHECKS.map(inSession), ...FORM_CHECKS]

/** For somebody who is there to pull the plug. */
export const POWER_CHECKS: readonly HubCheck[] = [
  inSession({
    check: 'power.cycle',
    expected: 'after its power was cut the hub begins a boot with a higher counter, and still knows what it executed',
    async run(bench) {
      const first = await executed(bench)
      if (!first) return notExecuted(bench)
      const { counter } = parseEpoch(first.session.epoch)
      bench.ask("cut the hub's power now, and give it back")
      const session = await bench.session(first.session, POWER_WAIT_MS)
      if (!session) return 'it did not come back'
      const next = parseEpoch(session.epoch).counter
      if (next <= counter) return `counter ${next} after ${counter}`
      bench.send(session, { ...first.command, stamp: bench.clock.monotonic(), epoch: session.epoch })
      const again = await bench.next(first.command.command, 2)
      return again?.stage === 'executed' || seen(bench.results(first.command.command).slice(2))
    },
  }),
]
