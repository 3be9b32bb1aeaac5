/** A server of another maker as a process of ours. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'
import { listens } from './ports.ts'

const START_LIMIT_MS = 20_000
const LOOK_MS = 20

export type ServerProcess = {
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
  /** The end of what it said, both streams. */
  said(): string
  /** Resolves when it listens on `port` of 127.0.0.1; rejects with what it said when it ends before, or takes too long. */
  untilListens(port: number): Promise<void>
}

/** Starts it; it ends with this process, however that ends by itself. */
export function launchServer(program: string, words: readonly string[], options: SpawnOptions = {}): ServerProcess {
  const child = spawn(program, words, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  const hear = (part: Buffer) => {
    text = (text + part.toString()).slice(-4096)
  }
  child.stdout?.on('data', hear)
  child.stderr?.on('data', hear)
  const orphan = () => void child.kill('SIGKILL')
  process.once('exit', orphan)
  child.once('exit', () => process.removeListener('exit', orphan))
  return {
    child,
    ended: once(child, 'exit'),
    said: () => text,
    async untilListens(port) {
      const begun_ms = process.uptime() * 1000
      while (!(await listens(port))) {
        const late = process.uptime() * 1000 - begun_ms > START_LIMIT_MS
        if (late || child.exitCode !== null) throw new Error(`${program} did not start: ${text}`)
        await after(LOOK_MS)
      }
    },
  }
}
