import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { afterAll, expect, test } from 'vitest'
import { isProblem } from '../contract/problem.ts'
import { SCOPES } from '../registry/registry.ts'
import { COMMANDS, newProgram } from './commands.ts'
import { configSchema } from './config.ts'
import type { CliContext } from './context.ts'
import { machineClock, machineRandom } from './machine.ts'

const home = mkdtempSync(join(tmpdir(), 'hearth-usage-'))
afterAll(() => rmSync(home, { recursive: true }))

const context: CliContext = {
  ...{ home, config: configSchema.parse({}), clock: machineClock, random: machineRandom },
  print: () => {},
  note: () => {},
  signal: new AbortController().signal,
}

/** What `--help` of a command prints. */
async function helpOf(...path: readonly string[]): Promise<string> {
  const program = newProgram()
  ;(await COMMANDS.find(({ name }) => name === path[0])?.load())?.register(program, context)
  let text = ''
  let command: Command | undefined = program
  for (const word of path) command = command?.commands.find((one) => one.name() === word)
  command?.configureOutput({ writeOut: (part) => (text += part) }).outputHelp()
  return text
}

/** What is said to a wrong use of it: what commander says, or the message of the Problem `invalid`. */
async function saidTo(words: readonly string[]): Promise<string> {
  const program = newProgram()
  let said = ''
  program.configureOutput({ writeErr: (text) => (said += text) })
  const entry = COMMANDS.find(({ name }) => name === words[0])
  ;(await entry?.load())?.register(program, context)
  try {
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    if (isProblem(error, 'invalid')) return `hearth: ${error.message}\n`
    if (error instanceof Error && 'exitCode' in error) return said
    throw error
  }
  throw new Error(`${words.join(' ')} was accepted`)
}

test.each<[string, RegExp]>([
  ['--vresion', /unknown option '--vresion'; did you mean --version\?/],
  ['send h1 lamp powered=1 --relay nonsense', /--relay is a URL such as .*, found nonsense/],
  ['sql', /missing required argument 'select' \(hearth sql --help shows how\)/],
  ['sql a b', /too many arguments for 'sql'/],
  ['sql --lmit 3 x', /unknown option '--lmit'; did you mean --limit\?/],
  ['sql --limit', /argument missing/],
  ['sql --limit abc x', /--limit.*'abc' is invalid. expected a whole number from 1 to 1000000/],
  ['sql --limit 0 x', /expected a whole number/],
  ['sql --limit 1.5 x', /expected a whole number/],
  ['sql --timeout never x', /expected a number above 0/],
  ['sql --memory lots x', /expected a size as 512MB or 8GB/],
  ['sql --at garbage x', /--at takes a time, as '2026-11-20 10:00', or a version, as events@v12; found "garbage"/],
  ['sql --json --csv x', /option '--csv' cannot be used with option '--json'/],
  ['jobs pla', /unknown command 'pla'; did you mean plan\?/],
  ['jobs explain hub_hour 2026-11-24T13', /no metric hub_hour; did you mean hub_hours\?/],
  ['jobs explain weather 2026-11-24T13', /no metric weather; there are hubs, /],
  ['jobs explain hub_hours yesterday', /<hour>: expected a day or an hour .*; found "yesterday"/],
  ['jobs explain hub_hours', /missing required argument 'hour'/],
  ['jobs backfill --from garbage --to 2026-11-25', /--from: expected a day or an hour .*found "garbage"/],
  [
    'jobs backfill --from 2026-13-45 --to 2026-11-25',
    /--from: expected a day or an hour .*as 2026-11-24 or 2026-11-24T13/,
  ],
  ['jobs backfill --from 2026-11-25', /option '--to <time>' not specified \(hearth jobs backfill --help shows how\)/],
  ['jobs backfill --from 2026-11-25 --to 2026-11-24', /--from must be before --to/],
  ['send', /missing required argument 'hub'/],
  ['send demo-01 lamp', /missing required argument 'set'/],
  ['send demo-01 lamp powered', /expected attribute=value, as powered=1; found "powered"/],
  ['send demo-01 lamp powered=1 --deadline 99', /expected a whole number from 100 to 60000/],
  ['send demo-01 lamp powered=1 --deadline 60001', /expected a whole number from 100 to 60000/],
  ['send demo-01 lamp powered=1 --repeat 0', /expected a whole number from 1/],
  ['lake file', /unknown command 'file'; did you mean files\?/],
  ['lake history events --limit -1', /expected a whole number from 1.* \(hearth lake history --help shows how\)/],
  ['registry add', /missing required argument 'hub'/],
  [
    'registry token create app --scope fly',
    /Allowed choices are commands, observe.* \(hearth registry token create --help shows how\)/,
  ],
  [
    'registry token create app --scope telemetry',
    /: --scope telemetry goes with --telemetry-source, which was not given/,
  ],
  [
    'registry token create app --telemetry-source hub-1',
    /: --telemetry-source goes with --scope telemetry, which was not given/,
  ],
  ['registry token create app --days -1', /expected a number above 0/],
  ['registry code hub-1 --hours x', /expected a number above 0/],
  ['ca revoke 12', /required option '--reason <text>' not specified/],
  ['ca issue relay-0 --role king', /Allowed choices are/],
  ['ca issue kitchen-1 --days 30', /: --days goes with --role claim, which was not given/],
  ['ca issue kitchen-1 --name relay.example', /: --name goes with --role server, which was not given/],
  ['ca issue spring --role claim --csr a.csr', /: --csr goes with --role hub or --role service, which was not given/],
  ['ca issue relay-0 --role server --csr a.csr', /: --csr goes with --role hub or --role service/],
  ['hub check', /say what to check: --listen for a hub, or --connect/],
  [
    'hub check --listen --cert c.pem --servername relay.example',
    /: --cert, --servername go with --connect, which was not given/,
  ],
  [
    'hub check --connect mqtts://relay.example:1 --device lamp --relay-port 1',
    /: --device, --relay-port go with --listen, which was not given/,
  ],
  [
    'hub check --connect mqtts://relay.example:1 --hub a --ca ca.pem',
    /'--ca <file>' cannot be used with .*'--hub <id>'/,
  ],
  [
    'hub check --connect mqtts://relay.example:1 --listen',
    /'--listen \[host\]' cannot be used with .*'--connect <url>'/,
  ],
  ['hub', /say which hub to run/],
  ['hub --simulated many', /expected a whole number from 1 to 1000/],
  ['hub --id k-1 --code x --relay relay.example:8883', /--relay: expected mqtts:\/\/host:port, found relay/],
  ['hub --id k-1 --code x --gateway ingest.example', /--gateway: expected mqtts:\/\/host:port or https/],
  ['hub --id k-1 --code x --enrol foo', /--enrol: expected https:\/\/host:port, found foo/],
  ['hub --id k-1 --code x --zigbee2mqtt mqtt://b --mqtt-password-file /no/such', /--mqtt-password-file: ENOENT/],
  ['hub --id k-1 --code x --code-file y', /cannot be used with option/],
  ['up --hubs 0', /expected a whole number from 1 to 1000/],
  ['up --hubs 3', /: --hubs goes with --demo, which was not given/],
  ['up --days 3 --hubs 3', /: --hubs, --days go with --demo, which was not given/],
  ['up --demoo', /did you mean --demo\?/],
  [
    'verify --answers a.ndjson --at-rest --days 9',
    /: --answers, --at-rest, --days go with --commands, which was not given/,
  ],
  ['verify --commands --acks a.ndjson', /option '--acks <file>' cannot be used with option '--commands'/],
  ['verify --commands --all', /option '--all' cannot be used with option '--commands'/],
  ['verify all', /too many arguments for 'verify'/],
  ['deadletters show abc', /id is <bucket>:<log position>:<ordinal>, as 2:118:4; found "abc"/],
  ['deadletters list --limit 0', /expected a whole number from 1/],
])('hearth %s', async (line, said) => {
  const text = await saidTo(line.split(' '))
  expect(text).toMatch(said)
  expect(text).toMatch(/^hearth: [^\n]+\n$/)
  expect(readdirSync(home)).toEqual([])
})

test('help says of each scope what it lets a token do', async () => {
  const said = await helpOf('registry', 'token', 'create')
  for (const scope of SCOPES) expect(said).toMatch(new RegExp(`^ {2}${scope} +\\S+ `, 'm'))
  expect(said).toMatch(/^ {2}admin +nothing: no route asks for it/m)
})

test('help of a repeated command names the rate that a relay takes', async () => {
  expect(await helpOf('send')).toMatch(
    /A relay takes 20 commands a second for one hub, 400 at once, and over a day 10000 and 0\.4/,
  )
})

test('help of a check promises no more than it looks at', async () => {
  expect(await helpOf('hub', 'check')).toMatch(/each promise of \S+ that can be seen from outside in a few minutes/)
})

test('help says which options are required', async () => {
  const said = await helpOf('registry', 'maintenance')
  expect(said).toMatch(/--from <time> +ISO 8601 \(required\)\n/)
  expect(said).toMatch(/--json +the new record as JSON\n/)
})
