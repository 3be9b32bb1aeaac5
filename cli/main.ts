import { resolve } from 'node:path'
import { styleText } from 'node:util'
import { closest } from '../contract/closest.ts'
import { isProblem } from '../contract/problem.ts'
import { COMMANDS, newProgram } from './commands.ts'
import type { CliContext } from './context.ts'
import { type Interrupt, openInterrupt } from './interrupt.ts'
import { loadConfig } from './load-config.ts'
import { machineClock, machineRandom } from './machine.ts'
import { worldFault } from './world-fault.ts'

/** As a shell says of a command that SIGINT (2) ended: 128 + 2. */
const INTERRUPTED = 130

process.exitCode = await main(process.argv.slice(2))

/** Runs one command; resolves with the exit code. */
async function main(given: readonly string[]): Promise<number> {
  // `hearth help sql` is `hearth sql --help`: what a command's help says is known once the command is loaded.
  const words = given[0] === 'help' && given.length > 1 ? [...given.slice(1), '--help'] : given
  const program = newProgram()
  const asked = words.find((word) => !word.startsWith('-'))
  const entry = COMMANDS.find((command) => command.name === asked)
  const interrupt = openInterrupt(machineClock, () => process.exit(INTERRUPTED))
  try {
    if (asked !== undefined && asked !== 'help' && !entry) return unknownCommand(asked)
    if (entry) (await entry.load()).register(program, createContext(interrupt))
    else for (const { name, summary } of COMMANDS) program.command(name).description(summary)
    if (words.length === 0) {
      program.outputHelp()
      return 0
    }
    await program.parseAsync(words, { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : 0
  } catch (error) {
    // What a failed command left open (a thread, a timer, a socket) must not keep it: its supervisor waits for its end.
    const code = report(error)
    return process.exit(interrupt.signal.aborted ? INTERRUPTED : code)
  }
}

function createContext(interrupt: Interrupt): CliContext {
  const home = resolve(process.env.HEARTH_HOME ?? '.hearth')
  process.on('SIGTERM', () => interrupt.signalled('SIGTERM'))
  // A terminal's Ctrl-C reaches the whole tree at once; the supervisor decides in which order it drains.
  process.on('SIGINT', () => process.connected || interrupt.signalled('SIGINT'))
  process.on('disconnect', () => interrupt.orphaned())
  // That listener alone must not keep a process alive that has drained.
  process.channel?.unref()
  const config = loadConfig(home, process.env, process.cwd())
  return {
    home,
    config,
    clock: machineClock,
    random: machineRandom,
    print: (line) => process.stdout.write(`${line}\n`),
    note: (line) => process.stderr.write(`${line}\n`),
    signal: interrupt.signal,
  }
}

function unknownCommand(word: string): number {
  const suggestion = closest(
    word,
    COMMANDS.map((command) => command.name),
  )
  process.stderr.write(
    `hearth: unknown command ${word}${suggestion ? `; did you mean ${suggestion}?` : ''} (hearth --help shows all)\n`,
  )
  return 2
}

/** The world's faults are one line; a bug keeps its stack. Exit codes: 2 wrong use, 1 anything else, 130 when interrupted. */
function report(error: unknown): number {
  if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number')
    return error.exitCode === 0 ? 0 : 2
  if (isProblem(error)) {
    process.stderr.write(`${styleText('red', 'hearth:', { stream: process.stderr })} ${error.message}\n`)
    return error.kind === 'invalid' ? 2 : 1
  }
  const fault = worldFault(error)
  if (fault !== undefined) {
    process.stderr.write(`${styleText('red', 'hearth:', { stream: process.stderr })} ${fault}\n`)
    return 1
  }
  process.stderr.write(
    `hearth: this is a bug, please report it\n${error instanceof Error ? error.stack : String(error)}\n`,
  )
  return 70
}
