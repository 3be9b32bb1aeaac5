import type { Clock } from '../contract/clock.ts'
import type { AttributeValue, CommandReport, Outcome } from '../contract/command-report.ts'
import { DEADLINE_DEFAULT_MS, DEADLINE_MAX_MS, DEADLINE_MIN_MS } from '../contract/limits.ts'
import type { LiveAnswer } from '../contract/live-message.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import { type Connection, closedProblem, type Session } from './connection.ts'
import type { Http } from './http.ts'
import { ANSWER_GRACE_MS, COMMANDS_OPEN_MAX, RETRY_FIRST_MS, RETRY_MAX_MS } from './limits.ts'

/** What is to be done: attributes of one device of one hub. */
export type Command = {
  readonly hub: string
  readonly device: string
  readonly set: Readonly<Record<string, AttributeValue>>
}

export type SendOptions = {
  /** From now to the device's confirmation, 100 to 60 000 ms; 5 000 when absent. It is not carried out after it. */
  readonly deadline_ms?: number
  /** Stops waiting. What was sent may still be carried out: the Problem's outcome says whether it was. */
  readonly signal?: AbortSignal
  /** Idempotency key, at most 255 characters, where it must outlive this process; one is made when absent. */
  readonly key?: string
  /** With a key of an earlier day: the `day` that its report told. */
  readonly day?: string
}

/** How a command ended. */
export type SettledReport = CommandReport & { readonly outcome: Outcome }

type Open = {
  readonly command: Command
  readonly ref: string
  readonly key: string
  /** Was the key made here, so that no other day than that of the first attempt can be meant? */
  readonly own_key: boolean
  readonly until_ms: number
  day: string | undefined
  /** Is it on its way, and will an answer or the end of that way be told? */
  under_way: Session | 'http' | undefined
  /** May an attempt that brought no answer have reached the relay? */
  uncertain: boolean
  failures: number
  cancelTimer: () => void
  readonly stopped: AbortController
  settle(end: SettledReport | Problem): void
}

export type Commands = {
  send(command: Command, options?: SendOptions): Promise<SettledReport>
  /** Sends what waits, and anew what was under way on a connection that ended: by key and day the same command. */
  flush(): void
  answer(answer: LiveAnswer): void
  refuse(problem: Problem): void
}

/** The commands of one client that have no answer yet. */
export function openCommands(parts: {
  readonly connection: () => Connection
  readonly http: Http
  readonly clock: Clock
  readonly chance: () => number
  readonly randomKey: () => string
}): Commands {
  const { clock, http } = parts
  const commands = new Map<string, Open>()
  let refs = 0

  /** What may have been sent before and had no answer may have happened, whatever was said since. */
  const failed = (open: Open, problem: Problem) =>
    open.settle(
      open.uncertain && problem.outcome !== 'unknown'
        ? new Problem(problem.kind, `${problem.message}; an earlier attempt had no answer`, {
            outcome: 'unknown',
            cause: problem.cause,
          })
        : problem,
    )

  /** A definite refusal for the moment: once more, elsewhere or later. */
  const again = (open: Open) => {
    open.under_way = undefined
    const ceiling_ms = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** open.failures++)
    const cancel = clock.timer(parts.chance() * ceiling_ms, () => dispatch(open))
    open.stopped.signal.addEventListener('abort', cancel, { once: true })
  }

  const dispatch = (open: Open) => {
    if (open.under_way || open.stopped.signal.aborted) return
    const { session, state } = parts.connection()
    const left_ms = Math.ceil(open.until_ms - clock.monotonic())
    // Too late for another attempt: the timer ends it.
    if (left_ms < DEADLINE_MIN_MS) return
    const { hub, device, set } = open.command
    const command = { device, set, deadline_ms: left_ms }
    if (session) {
      if (open.own_key) open.day ??= new Date(session.now()).toISOString().slice(0, 10)
      const { ref, key, day } = open
      const until = session.mono() + left_ms
      open.under_way = session
      session.send({ type: 'command', ref, hub, key, ...(day === undefined ? {} : { day }), until, command })
    } else if (state.state === 'http') {
      open.under_way = 'http'
      void post(open, command, left_ms)
    }
  }

  const post = async (open: Open, body: unknown, left_ms: number) => {
    try {
      const report = await http<SettledReport>({
        method: 'POST',
        path: `/v1/hubs/${encodeURIComponent(open.command.hub)}/commands`,
        headers: { 'idempotency-key': open.key, ...(open.day !== undefined && { 'idempotency-day': open.day }) },
        body,
        wait_ms: left_ms + ANSWER_GRACE_MS,
        signal: open.stopped.signal,
      })
      open.settle(report)
    } catch (error) {
      const problem = isProblem(error) ? error : new Problem('internal', messageOf(error), { outcome: 'unknown' })
      if (problem.outcome === 'unknown') open.uncertain = true
      if (problem.kind === 'closed' || (problem.kind === 'unavailable' && problem.outcome === 'unknown')) again(open)
      else failed(open, problem)
    }
  }

  const expire = (open: Open) => {
    const { state } = parts.connection()
    const reason = state.reason === undefined ? '' : ` (${state.reason})`
    const sent = open.under_way !== undefined || open.uncertain
    open.settle(
      new Problem(
        'unavailable',
        sent
          ? `no answer to the command of ${open.command.device}${reason}; whether it was carried out is not known`
          : `no connection before the deadline${reason}; nothing was sent`,
        { outcome: sent ? 'unknown' : 'did-not-happen' },
      ),
    )
  }

  return {
    send(command, { deadline_ms = DEADLINE_DEFAULT_MS, signal, key, day } = {}) {
      return new Promise((resolve, reject) => {
        const { state, reason = '' } = parts.connection().state
        if (state === 'closed') throw closedProblem()
        if (state === 'refused') throw new Problem('unauthorized', reason)
        if (signal?.aborted) throw new Problem('closed', 'aborted before it was sent', { cause: signal.reason })
        if (!(deadline_ms >= DEADLINE_MIN_MS && deadline_ms <= DEADLINE_MAX_MS))
          throw new Problem(
            'invalid',
            `deadline_ms: expected ${DEADLINE_MIN_MS} to ${DEADLINE_MAX_MS}, found ${deadline_ms}`,
          )
        if (commands.size >= COMMANDS_OPEN_MAX)
          throw new Problem('limit', `${COMMANDS_OPEN_MAX} commands of this client have no answer yet`)
        const ref = String(++refs)
        const abort = () =>
          open.settle(
            new Problem(
              'closed',
              sent(open) ? 'no longer waited for; it may still be carried out' : 'aborted before it was sent',
              { outcome: sent(open) ? 'unknown' : 'did-not-happen', cause: signal?.reason },
            ),
          )
        const until_ms = clock.monotonic() + deadline_ms
        const open: Open = {
          command,
          ref,
          key: key ?? parts.randomKey(),
          own_key: key === undefined,
          until_ms,
          day,
          under_way: undefined,
          uncertain: false,
          failures: 0,
          // An answer may be on its way still when the deadline is over; without anything sent there is none to come.
          cancelTimer: clock.timer(deadline_ms, () => {
            if (!sent(open)) expire(open)
            else open.cancelTimer = clock.timer(ANSWER_GRACE_MS, () => expire(open))
          }),
          stopped: new AbortController(),
          settle(end) {
            if (!commands.delete(ref)) return
            open.cancelTimer()
            signal?.removeEventListener('abort', abort)
            open.stopped.abort()
            if (end instanceof Problem) reject(end)
            else resolve(end)
          },
        }
        commands.set(ref, open)
        signal?.addEventListener('abort', abort, { once: true })
        dispatch(open)
        if (!open.under_way) parts.connection().hurry()
      })
    },
    flush() {
      const { session } = parts.connection()
      for (const open of commands.values()) {
        if (open.under_way && open.under_way !== 'http' && open.under_way !== session) {
          open.under_way = undefined
          open.uncertain = true
        }
        dispatch(open)
      }
    },
    answer(answer) {
      const open = 'ref' in answer && answer.ref !== undefined ? commands.get(answer.ref) : undefined
      if (!open) return
      // With a report that has no outcome the relay would break its promise to answer when there is one.
      if (answer.type === 'answer') open.settle(answer.report as SettledReport)
      else if (answer.type === 'problem') {
        const { kind, message, outcome } = answer
        if (kind === 'closed' && outcome === 'did-not-happen') {
          again(open)
          parts.connection().leave(message)
        } else failed(open, new Problem(kind, message, { outcome }))
      }
    },
    refuse(problem) {
      for (const open of commands.values()) {
        if (sent(open)) open.uncertain = true
        failed(open, problem)
      }
    },
  }
}

function sent(open: Open): boolean {
  return open.under_way !== undefined || open.uncertain
}
