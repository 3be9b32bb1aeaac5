import { resolve } from 'node:path'
import { styleText } from 'node:util'
import { closest } from '../contract/closest.ts'
import { COMMANDS, newProgram } from './commands.ts'
import type { CliContext } from './context.ts'
import { endingOf, INTERRUPTED } from './ending.ts'
import { type Interrupt, openInterrupt } from './interrupt.ts'
import { loadConfig } from './load-config.ts'
import { exitAfter, machineClock, machineRandom } from './machine.ts'

/** How long what is still open may keep a process that has ended its work. */
const LINGER_MAX_MS = 5_000

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
    const code = typeof process.exitCode === 'number' ? process.exitCode : 0
    // One that was told to end has drained by now: a socket to somebody who stands still must not keep it either.
    if (interrupt.signal.aborted) exitAfter(LINGER_MAX_MS, code)
    return code
  } catch (error) {
    // What a failed command left open (a thread, a timer, a socket) must not keep it: its supervisor waits for its end.
    const { code, told, isFault } = endingOf(error, interrupt.signal, entry?.stopped)
    const head = styleText('red', 'hearth:', { stream: process.stderr })
    if (isFault) process.stderr.write(`${head} ${told}\n`)
    else if (told !== '') process.stderr.write(`hearth: this is a bug, please report it\n${told}\n`)
    return process.exit(code)
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
