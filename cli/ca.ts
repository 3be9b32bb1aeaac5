import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { Problem } from '../contract/problem.ts'
import type { Administration } from '../registry/administration.ts'
import type { Authority, Issued, IssuedWithKey } from '../registry/authority.ts'
import { registerRotation } from './ca-rotate.ts'
import type { CliContext } from './context.ts'
import { examplesOf } from './examples.ts'
import { existingRegistry, openAuthority, openRegistry } from './fleet.ts'
import { flagsGiven, goWith, positive } from './option.ts'
import { shortTime, textTable } from './text-table.ts'
import { withFile } from './world-fault.ts'

type Json = { readonly json?: boolean }
type IssueOptions = Json & {
  role: 'hub' | 'service' | 'server' | 'claim'
  name?: string[]
  csr?: string
  days?: number
  out?: string
}

const EXAMPLES = `
Examples:
  hearth ca init
  hearth ca issue kitchen-1                           key.pem, cert.pem and ca.pem for a hub of the registry
  hearth ca issue kitchen-1 --csr kitchen-1.csr       for a key that never leaves the hub
  hearth ca issue relay-0 --role server --name relay.example
  hearth ca issue spring --role claim --days 200       for a batch of devices; hearth registry claim import names them
  hearth ca list kitchen-1
  hearth ca rotate --begin                            then --switch and --end, each when no hub is behind
  hearth ca revoke 5F0A… --reason "hub was stolen"`

export function register(program: Command, context: CliContext): void {
  const group = program
    .command('ca')
    .description('certificates of the fleet')
    .addHelpText('afterAll', examplesOf(EXAMPLES))
  registerRotation(group, context)

  const withAuthority = async (action: (authority: Authority, registry: Administration) => Promise<void>) => {
    const registry = await openRegistry(context)
    try {
      await action(await openAuthority(context, registry), registry)
    } finally {
      await registry.close()
    }
  }
  /** For what was issued already: its CA must be there, and its key is not needed. */
  const withIssued = async (action: (registry: Administration) => void | Promise<void>) => {
    const folder = join(context.home, 'ca')
    if (!existsSync(join(folder, 'ca.pem')))
      throw new Problem('missing', `there is no CA at ${folder}; hearth up makes one, or hearth ca init`)
    const registry = await existingRegistry(context)
    try {
      await action(registry)
    } finally {
      await registry.close()
    }
  }

  group
    .command('init')
    .description("make the fleet's CA, if there is none yet")
    .option('--json', 'as JSON')
    .action((options: Json) => {
      const certificate = join(context.home, 'ca', 'ca.pem')
      const made = !existsSync(certificate)
      return withAuthority(async ({ fleet }) => {
        const found = { fleet, certificate, made }
        const text = `The CA of fleet ${fleet}${made ? '' : ', which was there already'}: ${certificate}\nIts private key is beside it (authority.pem, mode 0600): keep a copy offline.`
        context.print(options.json ? JSON.stringify(found, undefined, 2) : text)
      })
    })

  group
    .command('issue <name>')
    .description('issue a certificate')
    .addOption(
      new Option('--role <role>', 'who it is for').choices(['hub', 'service', 'server', 'claim']).default('hub'),
    )
    .option('--days <days>', 'with --role claim: how long it is good (default: 365)', positive)
    .option('--name <name...>', 'with --role server: host names and addresses, beside localhost')
    .option('--csr <file>', 'of a hub or service: sign this request (PKCS #10, PEM) instead of making a key')
    .option('--out <folder>', 'where the files go (default: <state>/hubs/<name> or <state>/ca/<name>)')
    .option('--json', 'as JSON')
    .action((name: string, options: IssueOptions, command: Command) => {
      const { role } = options
      goWith('--role claim', role === 'claim', flagsGiven(command, 'days'))
      goWith('--role server', role === 'server', flagsGiven(command, 'name'))
      goWith('--role hub or --role service', role === 'hub' || role === 'service', flagsGiven(command, 'csr'))
      return withAuthority(async (authority, registry) => {
        const folder = resolve(options.out ?? join(context.home, role === 'hub' ? 'hubs' : 'ca', name))
        if (existsSync(join(folder, 'key.pem'))) {
          throw new Problem(
            'conflict',
            `${folder} holds a key already: give another folder with --out, or remove it first`,
          )
        }
        const issued = await issue(authority, registry, name, options)
        await mkdir(folder, { recursive: true, mode: 0o700 })
        if ('key_pem' in issued) await writeFile(join(folder, 'key.pem'), issued.key_pem, { mode: 0o600, flag: 'wx' })
        await writeFile(join(folder, 'cert.pem'), issued.certificate_pem)
        await writeFile(join(folder, 'ca.pem'), authority.certificate_pem)
        const { entry } = issued
        const text = `${folder}: certificate ${entry.serial} of ${entry.role} ${entry.source}, good until ${shortTime(entry.expires_ms)}`
        context.print(options.json ? JSON.stringify({ folder, ...entry }, undefined, 2) : text)
      })
    })

  group
    .command('list [source]')
    .description('certificates that were issued, newest first')
    .option('--json', 'as JSON')
    .action((source: string | undefined, options: Json) =>
      withIssued((registry) => {
        const entries = registry.certificates(source)
        const rows = entries.map((entry) => [
          entry.serial,
          entry.source,
          entry.role,
          entry.generation,
          shortTime(entry.issued_ms),
          shortTime(entry.expires_ms),
          entry.revoked_ms === undefined ? '' : `${shortTime(entry.revoked_ms)} ${entry.reason ?? ''}`,
        ])
        const head = ['serial', 'source', 'role', 'generation', 'issued', 'expires', 'revoked']
        context.print(options.json ? JSON.stringify(entries, undefined, 2) : textTable(head, rows))
      }),
    )

  group
    .command('revoke <serial>')
    .description('revoke a certificate; its live connections are cut')
    .requiredOption('--reason <text>', 'why; it is shown to whoever is refused')
    .option('--json', 'as JSON')
    .action((serial: string, options: Json & { reason: string }) =>
      withIssued(async (registry) => {
        await registry.revokeCertificate(serial, options.reason)
        const text = `Certificate ${serial} is revoked; endpoints see it within a second.`
        context.print(options.json ? JSON.stringify({ serial, reason: options.reason }) : text)
      }),
    )
}

async function issue(
  authority: Authority,
  registry: Administration,
  name: string,
  options: IssueOptions,
): Promise<Issued | IssuedWithKey> {
  const { role } = options
  if (role === 'server') return authority.issueServer(name, options.name)
  if (role === 'claim') {
    return authority.issueClaim(name, options.days === undefined ? undefined : Math.round(options.days * 86_400_000))
  }
  const generation = role === 'hub' ? hubGeneration(registry, name) : 1
  const { csr } = options
  if (csr) {
    const request = await withFile('--csr', csr, 'read', () => readFile(csr, 'utf8'))
    return authority.signRequest({ role, source: name, generation }, request)
  }
  return role === 'hub' ? authority.issueHub(name, generation) : authority.issueService(name)
}

function hubGeneration(registry: Administration, hub: string): number {
  const record = registry.hub(hub)
  if (!record) throw new Problem('missing', `no hub ${hub} in the registry: add it with hearth registry add ${hub}`)
  return record.generation
}
