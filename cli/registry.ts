import { type Command, Option } from 'commander'
import { Problem } from '../contract/problem.ts'
import type { HubRecord } from '../contract/registry-record.ts'
import type { Administration } from '../registry/administration.ts'
import { CODE_LIFE_MS } from '../registry/limits.ts'
import { addMaintenance } from '../registry/maintenance.ts'
import { SCOPES, type Scope } from '../registry/registry.ts'
import type { CliContext } from './context.ts'
import { examplesOf } from './examples.ts'
import { existingRegistry, openRegistry } from './fleet.ts'
import { flagsGiven, goWith, positive } from './option.ts'
import { registerClaims } from './registry-claim.ts'
import { shortTime, textTable } from './text-table.ts'

type Json = { readonly json?: boolean }
/** Runs something on the registry and prints its answer: as JSON, or as the text of `show`. */
export type Answer = <T>(
  options: Json,
  action: (registry: Administration) => T | Promise<T>,
  show: (found: T) => string,
  open?: typeof openRegistry,
) => Promise<void>
type TokenOptions = Json & {
  readonly scope: Scope[]
  readonly hub?: string[]
  readonly days?: number
  readonly telemetrySource?: string
}
type HubOptions = Json &
  Partial<Record<'home' | 'region' | 'model' | 'zone' | 'from' | 'until' | 'at' | 'reason', string>>

const SCOPE_MEANING = {
  commands: 'sends commands, and sees what became of its own',
  observe: 'sees hubs, their devices and states, and the commands of all apps',
  telemetry: 'sends batches to the gateway over HTTPS, as the hub of --telemetry-source',
  query: 'asks the lake, by SQL and on the dashboards; that needs all hubs, so no --hub',
  admin: 'nothing: no route asks for it; these commands change the registry, and need no token',
} as const satisfies Record<Scope, string>

const EXAMPLES = `
Examples:
  hearth registry hubs
  hearth registry hubs --at 2026-11-20T10:00Z
  hearth registry add kitchen-1 --home home-7 --zone Europe/Berlin
  hearth registry change kitchen-1 --model h2 --from 2026-12-01T08:00Z
  hearth registry retire kitchen-1 --at 2026-12-24T18:00Z
  hearth registry code kitchen-1                      a one-time code; the hub enrols with it
  hearth registry maintenance kitchen-1 --from 2026-12-01T08:00Z --until 2026-12-01T10:00Z
  hearth registry token create wall-panel --scope commands --scope observe --hub kitchen-1
  hearth registry token revoke wall-panel
  hearth registry claim import spring.csv --batch spring
  hearth registry claim list --batch spring
  hearth registry tokens`

export function register(program: Command, context: CliContext): void {
  const group = program
    .command('registry')
    .description('hubs, apps and tokens of the fleet')
    .addHelpText('afterAll', examplesOf(EXAMPLES))

  const answer: Answer = async (options, action, show, open = existingRegistry) => {
    const registry = await open(context)
    try {
      const found = await action(registry)
      context.print(options.json ? JSON.stringify(found, undefined, 2) : show(found))
    } finally {
      await registry.close()
    }
  }

  group
    .command('hubs')
    .description('who belongs to the fleet, now or at a time')
    .option('--at <time>', 'as of this time (ISO 8601)')
    .option('--json', 'records as JSON')
    .action((options: HubOptions) =>
      answer(options, (registry) => registry.hubs(options.at ? timeOf(options.at) : context.clock.now()), hubTable),
    )

  const describe = (command: Command) =>
    command
      .option('--home <id>', 'the home that it stands in')
      .option('--region <name>', 'where the home is')
      .option('--model <name>', 'model of the hub')
      .option('--zone <zone>', 'IANA time zone, as Europe/Berlin')
      .option('--from <time>', 'from when it counts (ISO 8601; default now)')
      .option('--json', 'the new record as JSON')

  describe(group.command('add <hub>').description('add a hub, or take a retired one back')).action(
    (hub: string, options: HubOptions) =>
      answer(
        options,
        (registry) => {
          const from_ms = options.from ? timeOf(options.from) : context.clock.now()
          const before = registry.hub(hub)
          if (before && before.retired_ms === undefined) {
            throw new Problem(
              'conflict',
              `hub ${hub} is in the registry already: change it with hearth registry change ${hub}`,
            )
          }
          return put(
            registry,
            {
              hub,
              home: options.home ?? before?.home ?? hub,
              region: options.region ?? before?.region ?? context.config.region,
              model: options.model ?? before?.model ?? 'unknown',
              zone: options.zone ?? before?.zone ?? 'UTC',
              generation: (before?.generation ?? 0) + 1,
              enrolled_ms: from_ms,
              maintenance: [],
            },
            from_ms,
          )
        },
        (record) => `${hubTable([record])}\n\nIts one-time code: hearth registry code ${hub}`,
        openRegistry,
      ),
  )

  describe(group.command('change <hub>').description('change what is known of a hub')).action(
    (hub: string, options: HubOptions) =>
      answer(
        options,
        (registry) => {
          const changes = given(options)
          if (Object.keys(changes).length === 0)
            throw new Problem('invalid', 'say what changes: --home, --region, --model or --zone')
          const { home, region, model, zone } = { ...known(registry, hub), ...changes }
          const from_ms = options.from ? timeOf(options.from) : context.clock.now()
          if (from_ms > context.clock.now())
            context.note(`this counts from ${shortTime(from_ms)} on; until then it stays as it was`)
          return put(registry, { ...known(registry, hub), home, region, model, zone }, from_ms)
        },
        (record) => hubTable([record]),
      ),
  )

  group
    .command('retire <hub>')
    .description('a hub leaves the fleet; its certificates are refused from then on')
    .option('--at <time>', 'when (ISO 8601; default now)')
    .option('--json', 'the new record as JSON')
    .action((hub: string, options: HubOptions) =>
      answer(
        options,
        async (registry) => {
          await registry.retireHub(hub, options.at ? timeOf(options.at) : context.clock.now())
          return known(registry, hub)
        },
        (record) => hubTable([record]),
      ),
    )

  group
    .command('maintenance <hub>')
    .description('a time outside availability and alerts')
    .requiredOption('--from <time>', 'ISO 8601')
    .requiredOption('--until <time>', 'ISO 8601')
    .option('--json', 'the new record as JSON')
    .action((hub: string, options: HubOptions) =>
      answer(
        options,
        (registry) => {
          const window = { from_ms: timeOf(options.from ?? ''), to_ms: timeOf(options.until ?? '') }
          if (window.to_ms <= window.from_ms) throw new Problem('invalid', '--until must be later than --from')
          return addMaintenance(registry, hub, window, context.clock.now())
        },
        (record) =>
          `${record.hub}: ${record.maintenance.map(({ from_ms, to_ms }) => `${shortTime(from_ms)} to ${shortTime(to_ms)}`).join(', ')}`,
      ),
    )

  group
    .command('code <hub>')
    .description('make a one-time enrolment code')
    .option('--hours <hours>', 'how long it is good', positive, CODE_LIFE_MS / 3_600_000)
    .option('--json', 'the code as JSON')
    .action((hub: string, options: Json & { readonly hours: number }) => {
      const life_ms = Math.round(options.hours * 3_600_000)
      return answer(
        options,
        async (registry) => {
          const code = await registry.createCode(hub, life_ms)
          return { hub, code, expires_ms: context.clock.now() + life_ms }
        },
        ({ code, expires_ms }) => `${code}\n\nGood once, until ${shortTime(expires_ms)}. It is not shown again.`,
      )
    })

  group
    .command('tokens')
    .description('apps and people that may come in')
    .option('--all', 'with the tokens that were revoked')
    .option('--json', 'as JSON')
    .action((options: Json & { readonly all?: boolean }) =>
      answer(
        options,
        (registry) => {
          const all = registry.tokens()
          const shown = all.filter(({ revoked_ms }) => options.all || revoked_ms === undefined)
          const left_out = all.length - shown.length
          if (left_out > 0) context.note(`${left_out} that were revoked are left out; --all shows them`)
          return shown
        },
        (tokens) =>
          textTable(
            ['app', 'scopes', 'hubs', 'fingerprint', 'created', 'expires', 'revoked'],
            tokens.map((token) => [
              token.app,
              token.scopes.join(','),
              token.hubs ? token.hubs.join(',') : 'all',
              token.fingerprint,
              shortTime(token.created_ms),
              shortTime(token.expires_ms),
              shortTime(token.revoked_ms),
            ]),
          ),
      ),
    )

  registerClaims(group, context, answer)

  const token = group.command('token').description('make or revoke a token')
  token
    .command('create <app>')
    .description('make a token; its text is shown once')
    .addOption(new Option('--scope <scope...>', 'what it may do').choices(SCOPES).default(['commands', 'observe']))
    .option('--hub <hub...>', 'only these hubs (default: all)')
    .option('--days <days>', 'it expires after so many days', positive)
    .option('--telemetry-source <hub>', 'it sends telemetry as this hub (with --scope telemetry)')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `\nScopes:\n${SCOPES.map((scope) => `  ${scope.padEnd(11)}${SCOPE_MEANING[scope]}`).join('\n')}`,
    )
    .action((app: string, options: TokenOptions, command: Command) => {
      const source = options.telemetrySource
      const maySend = options.scope.includes('telemetry')
      goWith('--scope telemetry', maySend, flagsGiven(command, 'telemetrySource'))
      goWith('--telemetry-source', source !== undefined, maySend ? ['--scope telemetry'] : [])
      return answer(
        options,
        async (registry) => {
          for (const hub of options.hub ?? []) known(registry, hub)
          const principal = {
            app,
            scopes: options.scope,
            ...(options.hub ? { hubs: options.hub } : {}),
            ...(source === undefined
              ? {}
              : { identity: { source, role: 'hub' as const, generation: known(registry, source).generation } }),
          }
          const { days } = options
          const expires = days === undefined ? {} : { expires_ms: context.clock.now() + Math.round(days * 86_400_000) }
          return { ...principal, ...expires, token: await registry.createToken(principal, expires) }
        },
        (made) => `${made.token}\n\nKeep it now: only its SHA-256 is stored.`,
        openRegistry,
      )
    })
  token
    .command('revoke <app>')
    .description('revoke all tokens of an app')
    .option('--json', 'as JSON')
    .action((app: string, options: Json) =>
      answer(
        options,
        async (registry) => {
          await registry.revokeToken(app)
          return { app, revoked: true }
        },
        () => `The tokens of ${app} are revoked; endpoints see it within a second.`,
      ),
    )
}

async function put(registry: Administration, record: HubRecord, from_ms: number): Promise<HubRecord> {
  await registry.putHub(record, from_ms)
  return record
}

function known(registry: Administration, hub: string): HubRecord {
  const record = registry.hub(hub)
  if (!record) throw new Problem('missing', `no hub ${hub} in the registry: hearth registry hubs lists them`)
  return record
}

function given({ home, region, model, zone }: HubOptions): Partial<HubRecord> {
  return Object.fromEntries(Object.entries({ home, region, model, zone }).filter(([, value]) => value !== undefined))
}

function hubTable(hubs: readonly HubRecord[]): string {
  return textTable(
    ['hub', 'home', 'region', 'model', 'zone', 'generation', 'enrolled', 'retired'],
    hubs.map((hub) => [
      hub.hub,
      hub.home,
      hub.region,
      hub.model,
      hub.zone,
      hub.generation,
      shortTime(hub.enrolled_ms),
      shortTime(hub.retired_ms),
    ]),
  )
}

function timeOf(value: string): number {
  const time_ms = Date.parse(value)
  if (Number.isNaN(time_ms))
    throw new Problem('invalid', `expected a time as 2026-11-24T10:00Z, found ${JSON.stringify(value)}`)
  return time_ms
}
