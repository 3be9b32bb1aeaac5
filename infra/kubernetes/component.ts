import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ComponentName, commandOf, type Layout } from './components.ts'
import { enteredBy, type Node } from './node.ts'

/** A component that can be ended, stopped and started again; its containers live on. */
export type Component = {
  pid(): number | undefined
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGSTOP: it answers nothing, and its connections stay open. */
  pause(): void
  resume(): void
  /** Kills it where it runs, and starts it, with these words after its others; when it is of use again, its clients see. */
  restart(...more: readonly string[]): Promise<void>
  /** The end of what it said. */
  log(): string
}

/** One that is not running yet. */
export function openComponent(name: ComponentName, layout: Layout, node: Node): Component {
  mkdirSync(join(layout.folder, 'log'), { recursive: true })
  const file = join(layout.folder, 'log', name)
  let child: ChildProcess | undefined
  const pid = () => enteredBy(child?.pid)
  const signal = (signal: NodeJS.Signals) => {
    const found = pid()
    if (found !== undefined) process.kill(found, signal)
  }

  async function kill(): Promise<void> {
    const one = child
    child = undefined
    if (!one || one.exitCode !== null || one.signalCode !== null) return
    const ended = once(one, 'exit')
    const found = enteredBy(one.pid)
    if (found === undefined) one.kill('SIGKILL')
    else process.kill(found, 'SIGKILL')
    // It stopped itself where the component was stopped.
    one.kill('SIGCONT')
    await ended
  }

  return {
    pid,
    kill,
    pause: () => signal('SIGSTOP'),
    resume() {
      signal('SIGCONT')
      child?.kill('SIGCONT')
    },
    async restart(...more) {
      await kill()
      const [command = '', ...words] = [...node.enter, ...commandOf(name, layout), ...more]
      const log = openSync(file, 'a')
      child = spawn(command, words, { stdio: ['ignore', log, log] })
      closeSync(log)
      await once(child, 'spawn')
    },
    log: () => readFileSync(file, 'utf8').slice(-2000),
  }
}
