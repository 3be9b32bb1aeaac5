import { resolve } from 'node:path'
import { styleText } from 'node:util'
import { Command } from 'commander'
import { closest } from '../contract/closest.ts'
import { isProblem } from '../contract/problem.ts'
import { loadConfig } from './config.ts'
import type { CliContext } from './context.ts'
import { machineClock, machineRandom } from './machine.ts'
import { makeFolder } from './state-file.ts'
import { version } from './version.ts'

type Room = { readonly register: (program: Command, context: CliContext) => void }
type Entry = { readonly name: string; readonly summary: string; readonly load: () => Promise<Room> }

/** Each command's file is loaded only when it is asked for: `hearth sql` pays nothing for the web server. */
const COMMANDS: readonly Entry[] = [
  { name: 'up', summary: 'run the whole system on this machine', load: () => import('./up.ts') },
  { name: 'sql', summary: 'ask the lake: one SELECT, read-only', load: () => import('./sql.ts') },
  { name: 'send', summary: 'send a command to a device and watch it arrive', load: () => import('./send.ts') },
  {
    name: 'hub',
    summary: 'run a hub agent: real, simulated, or replaying a recording',
    load: () => import('./hub.ts'),
  },
  { name: 'jobs', summary: 'plan, run and explain the metrics', load: () => import('./jobs.ts') },
  { name: 'lake', summary: 'look into the tables of the lake', load: () => import('./lake.ts') },
  { name: 'registry', summary: 'hubs, apps and tokens of the fleet', load: () => import('./registry.ts') },
  { name: 'ca', summary: 'certificates of the fleet', load: () => import('./ca.ts') },
  {
    name: 'deadletters',
    summary: 'events that could not be read: list, show, replay',
    load: () => import('./deadletters.ts'),
  },
  { name: 'verify', summary: 'prove that nothing acknowledged was lost or doubled', load: () => import('./verify.ts') },
  { name: 'doctor', summary: 'check this installation and say what to do', load: () => import('./doctor.ts') },
  { name: 'ingest', summary: 'run ingest by itself: gateway and lake writer', load: () => import('./ingest.ts') },
  { name: 'relay', summary: 'run a relay by itself', load: () => import('./relay.ts') },
  { name: 'dashboards', summary: 'run the dashboards by themselves', load: () => import('./dashboards.ts') },
]

const EXAMPLES = `
Examples:
  hearth up --demo                                    the whole system, with 25 simulated homes
  hearth sql "select kind, count(*) from events group by all"
  hearth send demo-01 kitchen-lamp powered=1
  hearth verify                                       exit code 1 if anything was lost

State is kept in .hearth/ (HEARTH_HOME). Configuration: docs/configuration.md.`

process.exitCode = await main(process.argv.slice(2))

/** Runs one command; resolves with the exit code. */
async function main(words: readonly string[]): Promise<number> {
  const program = new Command('hearth')
    .description('The data plane and control plane for fleets of smart-home hubs.')
    .version(version())
    .showHelpAfterError('(hearth --help shows all)')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
  const asked = words.find((word) => !word.startsWith('-'))
  const entry = COMMANDS.find((command) => command.name === asked)
  try {
    if (entry) (await entry.load()).register(program, createContext())
    else for (const { name, summary } of COMMANDS) program.command(name).description(summary)
    if (asked !== undefined && asked !== 'help' && !entry) return unknownCommand(asked)
    if (words.length === 0) {
      program.outputHelp()
      return 0
    }
    await program.parseAsync(words, { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : 0
  } catch (error) {
    // What a failed command left open (a thread, a timer, a socket) must not keep it: its supervisor waits for its end.
    return process.exit(report(error))
  }
}

function createContext(): CliContext {
  const home = resolve(process.env.HEARTH_HOME ?? '.hearth')
  const interrupt = new AbortController()
  // The first signal drains; a second one, or the parent's death (it closes the channel), does not wait.
  const stop = (name: string) => {
    if (interrupt.signal.aborted) process.exit(130)
    interrupt.abort(new Error(name))
  }
  process.on('SIGTERM', () => stop('SIGTERM'))
  // A terminal's Ctrl-C reaches the whole tree at once; the supervisor decides in which order it drains.
  process.on('SIGINT', () => process.connected || stop('SIGINT'))
  process.on('disconnect', () => stop('the supervisor is gone'))
  // That listener alone must not keep a process alive that has drained.
  process.channel?.unref()
  const config = loadConfig(home, process.env, process.cwd())
  makeFolder(home)
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

/** The world's faults are one line; a bug keeps its stack. Exit codes: 2 wrong use, 1 anything else. */
function report(error: unknown): number {
  if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number')
    return error.exitCode === 0 ? 0 : 2
  if (isProblem(error)) {
    process.stderr.write(`${styleText('red', 'hearth:', { stream: process.stderr })} ${error.message}\n`)
    return error.kind === 'invalid' ? 2 : 1
  }
  process.stderr.write(
    `hearth: this is a bug, please report it\n${error instanceof Error ? error.stack : String(error)}\n`,
  )
  return 70
}
