/**
 * The steps of the system: each call of a seam is one, and faults strike at them. A step's kind says what can happen
 * to it: a `call` is asked and answered, a `write` takes effect within one turn, a `message` crosses the network.
 */
export const STEPS = {
  'disk.write': { kind: 'write' },
  'disk.sync': { kind: 'call', durable: true },
  'log.append': { kind: 'call', durable: true },
  'log.read': { kind: 'call', weight: 0.4 },
  'log.bounds': { kind: 'call', weight: 0.6 },
  'log.trim': { kind: 'call', durable: true, weight: 2 },
  'store.get': { kind: 'call', remote: true, weight: 0.3 },
  'store.put': { kind: 'call', remote: true, durable: true },
  'store.list': { kind: 'call', remote: true, weight: 0.4 },
  'commit.ingest': { kind: 'call', remote: true, durable: true, weight: 3 },
  'commit.compact': { kind: 'call', remote: true, durable: true, weight: 6 },
  'commit.floor': { kind: 'call', remote: true, durable: true, weight: 6 },
  'commit.erase': { kind: 'call', remote: true, durable: true, weight: 8 },
  'ranges.snapshot': { kind: 'call', remote: true, durable: true, weight: 2 },
  'checkpoint.put': { kind: 'call', remote: true, durable: true, weight: 4 },
  'checkpoint.hint': { kind: 'call', remote: true, durable: true, weight: 4 },
  'cleanup.delete': { kind: 'call', remote: true, durable: true, weight: 2 },
  'vacuum.delete': { kind: 'call', remote: true, durable: true, weight: 2 },
  'commit.replace': { kind: 'call', remote: true, durable: true, weight: 2 },
  'jobs.get': { kind: 'call', remote: true, weight: 0.05 },
  'jobs.list': { kind: 'call', remote: true, weight: 0.2 },
  'jobs.put': { kind: 'call', remote: true, durable: true, weight: 0.4 },
  'run.put': { kind: 'call', remote: true, durable: true, weight: 2 },
  'run.delete': { kind: 'call', remote: true, durable: true, weight: 2 },
  'pods.start': { kind: 'call', remote: true, durable: true, weight: 3 },
  'pods.end': { kind: 'call', remote: true, durable: true, weight: 3 },
  'directory.claim': { kind: 'call', remote: true, durable: true, weight: 3 },
  'directory.release': { kind: 'call', remote: true, durable: true, weight: 3 },
  'directory.find': { kind: 'call', remote: true, weight: 2 },
  'device.actuate': { kind: 'call', durable: true },
  'net.batch': { kind: 'message' },
  'net.answer': { kind: 'message' },
  'net.command': { kind: 'message' },
  'net.result': { kind: 'message' },
  'net.forward': { kind: 'message' },
  'net.told': { kind: 'message' },
} as const satisfies Record<string, Step>

export type Step = {
  readonly kind: 'call' | 'write' | 'message'
  /** Carried out elsewhere: it may take effect after its caller died. */
  readonly remote?: true
  /** Has an effect that outlives the caller, so that a lost answer matters. */
  readonly durable?: true
  /** Faults strike it so many times as often as others: it is rare, and much hangs on it; or so much less: there are many. */
  readonly weight?: number
}

export type StepName = keyof typeof STEPS

export function stepOf(name: StepName): Step {
  return STEPS[name]
}

/** What the faults that strike one step do to it together. */
export type Strike = {
  delay_ms: number
  /** The caller's process stands still for so long, before it asks or before it hears the answer. */
  pause: 'before' | 'after' | undefined
  pause_ms: number
  /** … and with it all that run on its machine. */
  suspended: boolean
  /** The caller's process dies before or after the effect. */
  kill: 'before' | 'after' | undefined
  /** … and with it the machine's power: what was not synced is lost. */
  power: boolean
  /** … and its disk comes back as an old copy of itself, where there is one. */
  restored: boolean
  /** It does not happen, and the caller is told so. */
  refused: boolean
  /** … for want of room, rather than by an error. */
  full: boolean
  /** It happens, and the caller is not told. */
  unanswered: boolean
  /** … or is told that no answer came, and it happens so much later, where it is carried out elsewhere. */
  late_ms: number
  /** Further copies of a message. */
  copies: number
  /** The connection ends, and the message with it. */
  cut: boolean
  /** The machine's wall clock jumps by so much. */
  jump_ms: number
}

export function noStrike(): Strike {
  return {
    delay_ms: 0,
    pause: undefined,
    pause_ms: 0,
    suspended: false,
    kill: undefined,
    power: false,
    restored: false,
    refused: false,
    full: false,
    unanswered: false,
    late_ms: 0,
    copies: 0,
    cut: false,
    jump_ms: 0,
  }
}

/** One way in which the world fails: a file in `faults/`, named in `faults/all.ts`. */
export type Fault = {
  readonly name: string
  /** Can it strike this step? The coverage table expects every fault at every step where it can. */
  strikes(step: Step, name: StepName): boolean
  /** Chance at one step in a run of usual harshness. */
  readonly chance: number
  /** `float` is uniform in [0, 1). */
  act(strike: Strike, float: () => number): void
}
