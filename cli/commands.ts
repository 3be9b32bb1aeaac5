import { Command, Help, type Option } from 'commander'
import type { CliContext } from './context.ts'
import { pathOf } from './examples.ts'
import { version } from './version.ts'

type Room = { readonly register: (program: Command, context: CliContext) => void }
export type Entry = {
  readonly name: string
  readonly summary: string
  /** What it says that a signal ended before it was done. */
  readonly stopped?: string
  readonly load: () => Promise<Room>
}

/** Each command's file is loaded only when it is asked for: `hearth sql` pays nothing for the web server. */
export const COMMANDS: readonly Entry[] = [
  { name: 'up', summary: 'run the whole system on this machine', load: () => import('./up.ts') },
  { name: 'sql', summary: 'ask the lake: one SELECT, read-only', load: () => import('./sql.ts') },
  { name: 'send', summary: 'send a command to a device and watch it arrive', load: () => import('./send.ts') },
  {
    name: 'hub',
    summary: 'run hubs: of simulated homes, of a recording, or of a real home',
    load: () => import('./hub.ts'),
  },
  {
    ...{ name: 'jobs', summary: 'plan, run and explain the metrics', load: () => import('./jobs.ts') },
    stopped: 'stopped; what was not committed is due again',
  },
  { name: 'objectives', summary: 'what is promised, and whether it is kept', load: () => import('./objectives.ts') },
  { name: 'lake', summary: 'look into the tables of the lake, and look after them', load: () => import('./lake.ts') },
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

/** The program with no command yet. Wrong use is one line that says where help is, and code 2. */
export function newProgram(): Command {
  const program = new Command('hearth')
    .description('The data plane and control plane for fleets of smart-home hubs.')
    .version(version())
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureHelp({ optionDescription })
  return program.configureOutput({ outputError: (text, write) => write(wrongUse(text, program)) })
}

function optionDescription(option: Option): string {
  const text = new Help().optionDescription(option)
  return option.mandatory ? `${text} (required)` : text
}

/** What commander says of wrong use, in one line: its suggestions come in lines of their own. */
function wrongUse(text: string, program: Command): string {
  const said = text
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*\((Did you mean .*)\)/, (_whole, hint: string) => `; ${hint.replace('Did', 'did')}`)
    .replaceAll(/\s*\n\s*/g, ' ')
  let command = program
  for (const word of program.args) {
    const next = command.commands.find((one) => one.name() === word)
    if (!next) break
    command = next
  }
  return `hearth: ${said} (${pathOf(command).join(' ')} --help shows how)\n`
}
