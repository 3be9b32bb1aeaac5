import type { HubBound } from '../contract/command.ts'
import { compareEpochs, parseEpoch, type SessionEpoch } from '../contract/source.ts'
import type { Executor } from '../hub-agent/executor.ts'
import type { Life, World } from './world.ts'

type Command = Extract<HubBound, { type: 'command' }>

/** What became of one tap at the device. */
export type Done = {
  times: number
  /** When it was asked for, simulated ms. */
  readonly asked_ms: number[]
  /** By how much it was begun after its time, ms; 0 or less when in time. */
  overdue_ms: number
  /** It was begun after another command to the device that its hub had received later. */
  overtaken: boolean
  /** It came in a session of its hub that was over by then. */
  stale: boolean
}

type Received = {
  readonly life: Life
  readonly place: number
  readonly sessions: Set<object>
  due_ms: number
  stale: boolean
}

/**
 * What devices do, watched from outside with the one true clock that no process has: which tap, how often, whether its
 * time was over, and whether in the order of receipt. A tap is known by its level, which no other has.
 */
export class Work {
  readonly done = new Map<number, Done>()
  #world: World
  #received = new Map<number, Received>()
  /** The latest place in the order of receipt that the devices of a hub were asked for. */
  #latest = new Map<Life, number>()
  /** The present session of each hub. */
  #epochs = new Map<Life, SessionEpoch>()
  #places = 0
  /** When a tap's time is over for who tapped, simulated ms; the relay's word alone counts where it is not known. */
  readonly #over_ms: (level: number) => number

  constructor(world: World, over_ms: (level: number) => number = () => Number.POSITIVE_INFINITY) {
    this.#world = world
    this.#over_ms = over_ms
  }

  /** A hub's session begins. */
  began(life: Life, epoch: string): void {
    this.#epochs.set(life, parseEpoch(epoch))
  }

  /**
   * Hears what comes through one session, and passes it on. A hub cannot know how long the quickest message of a session
   * took, so a command's time is over `left_ms` after it was sent, and so much later (relay.md, Not after its time).
   */
  listener(life: Life, executor: Executor): (message: HubBound, sent_ms: number) => void {
    const session = {}
    let quickest_ms = Number.POSITIVE_INFINITY
    return (message, sent_ms) => {
      quickest_ms = Math.min(quickest_ms, this.#world.scheduler.now_ms - sent_ms)
      if (message.type === 'command') {
        const over_ms = Math.min(sent_ms + message.left_ms, this.#over_ms(Number(message.set['level'])))
        this.#note(message, life, session, over_ms + quickest_ms)
      }
      executor.receive(message)
    }
  }

  #note({ set, epoch }: Command, life: Life, session: object, due_ms: number) {
    const level = Number(set['level'])
    const before = this.#received.get(level)
    const present = this.#epochs.get(life)
    const stale = present !== undefined && compareEpochs(parseEpoch(epoch), present) < 0
    if (before?.life === life) {
      before.sessions.add(session)
      before.stale &&= stale
      before.due_ms = Math.max(before.due_ms, due_ms)
    } else this.#received.set(level, { life, place: this.#places++, sessions: new Set([session]), due_ms, stale })
  }

  /** A device is asked to act. */
  asked(life: Life, level: number): void {
    const received = this.#received.get(level)
    if (!received) return
    const done = this.#doneOf(level)
    done.asked_ms.push(this.#world.scheduler.now_ms)
    done.overdue_ms = Math.max(done.overdue_ms, this.#world.scheduler.now_ms - received.due_ms)
    done.stale ||= received.stale
    const latest = this.#latest.get(life) ?? -1
    // What came again in a later session may have been judged anew.
    if (received.sessions.size === 1 && received.place < latest) done.overtaken = true
    this.#latest.set(life, Math.max(latest, received.place))
  }

  /** It acted. */
  did(level: number): void {
    this.#doneOf(level).times++
  }

  #doneOf(level: number): Done {
    const done = this.done.get(level) ?? {
      times: 0,
      asked_ms: [],
      overdue_ms: Number.NEGATIVE_INFINITY,
      overtaken: false,
      stale: false,
    }
    this.done.set(level, done)
    return done
  }
}
