import type { Running, System } from '../../cli/testing/system.ts'
import type { Target } from './trouble.ts'

const READY = /"event":"ready"/
const READY_LIMIT_MS = 120_000

/** A process of the system that is started again when it ends by itself, as a supervisor would. */
export type HearthProcess = Target & {
  untilReady(): Promise<void>
  /** SIGTERM; resolves with what it exited with. */
  end(): Promise<number | null>
  /** Exits that nobody asked for: what it said at its end. */
  readonly faults: readonly string[]
  /** What it said in all of its lives. */
  said(): string
}

const LAST_WORDS = 2_000

export function hearthProcess(
  system: System,
  options: {
    readonly name: string
    readonly kind: string
    readonly words: readonly string[]
    readonly environment?: NodeJS.ProcessEnv
    /** In place of `hearth`. */
    readonly script?: string
  },
): HearthProcess {
  const { name, kind, words, environment = {}, script } = options
  const faults: string[] = []
  const lives: Running[] = []
  let running: Running | undefined
  let wanted = false

  async function start(): Promise<void> {
    wanted = true
    const one = system.start(words, { HEARTH_LOG: 'info', ...environment }, script)
    running = one
    lives.push(one)
    void one.ended.then(({ code, signal }) => {
      if (running !== one || !wanted) return
      faults.push(`${name} ended by itself with ${code ?? signal}: ${one.said().slice(-LAST_WORDS)}`)
      void start()
    })
  }

  return {
    ...{ name, kind, faults, start },
    said: () => lives.map((one) => one.said()).join('\n'),
    async kill() {
      wanted = false
      const one = running
      running = undefined
      await one?.killTree()
    },
    pause: () => running?.signal('SIGSTOP'),
    resume: () => running?.signal('SIGCONT'),
    async untilReady() {
      await running?.untilSaid(READY, READY_LIMIT_MS)
    },
    async end() {
      wanted = false
      running?.signal('SIGTERM')
      return (await running?.ended)?.code ?? null
    },
  }
}
