import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { FIRST_EPOCH, type Layout } from '../contract/bucket.ts'
import { hostOf } from '../contract/host.ts'
import { Problem } from '../contract/problem.ts'
import type { HubRecord } from '../contract/registry-record.ts'
import { FIRST_RELAY } from '../contract/relay-name.ts'
import { createLake, type Lake, openLake } from '../lake/lake.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { makeFolder } from '../link/folder.ts'
import type { Administration } from '../registry/administration.ts'
import { type Authority, createAuthority, type IssuedWithKey } from '../registry/authority.ts'
import { openSqliteRegistry } from '../registry/sqlite-registry.ts'
import type { CliContext } from './context.ts'
import { lakeStore, newLakeStore } from './lake-store.ts'
import { registryAddress } from './registry-address.ts'
import { writeFiles } from './state-file.ts'

/** The parts of the context that say which fleet this is and where its state lives. */
type FleetContext = Pick<CliContext, 'home' | 'config' | 'clock' | 'random'>

/** A certificate is made anew when it has less than this left, lacks a name, or another CA signs now. */
const RENEW_BEFORE_MS = 30 * 86_400_000

export function layoutOf({ config }: Pick<CliContext, 'config'>): Layout {
  return { epoch: FIRST_EPOCH, buckets: config.layout.buckets }
}

/** The registry that is configured, made when there is none. `note` is told when Postgres is lost, and when it is back. */
export async function openRegistry(
  context: FleetContext,
  note: (text: string) => void = () => undefined,
): Promise<Administration> {
  const { home, config, clock, random } = context
  makeFolder(home)
  const options = { fleet: config.fleet, layout: layoutOf(context), clock, random }
  const address = registryAddress(config.registry)
  if (address === undefined) return openSqliteRegistry(registryFile(context), options)
  const { openPostgresRegistry } = await import('../registry/postgres-registry.ts')
  return await openPostgresRegistry({ ...options, address, copy: join(home, 'registry-copy.db'), note })
}

function registryFile({ home }: Pick<FleetContext, 'home'>): string {
  return join(home, 'registry.db')
}

/** Is there a registry that could be opened? */
export function hasRegistry(context: Pick<FleetContext, 'home' | 'config'>): boolean {
  return context.config.registry.url !== '' || existsSync(registryFile(context))
}

/** The registry that is configured. Raises `missing` when there is none. */
export async function existingRegistry(context: FleetContext): Promise<Administration> {
  if (hasRegistry(context)) return await openRegistry(context)
  throw new Problem(
    'missing',
    `there is no registry at ${registryFile(context)}; hearth up makes one, or hearth registry add`,
  )
}

/** A hub as the registry here has it; undefined where there is no such hub, or no registry. */
export async function hubRecord(context: FleetContext, hub: string): Promise<HubRecord | undefined> {
  if (!hasRegistry(context)) return undefined
  const registry = await openRegistry(context)
  try {
    return registry.hub(hub)
  } finally {
    await registry.close()
  }
}

/** The fleet's CA in the state folder, made when there is none. */
export function openAuthority(context: FleetContext, registry: Administration): Promise<Authority> {
  const { home, config, clock, random } = context
  return createAuthority(join(home, 'ca'), {
    fleet: config.fleet,
    clock,
    random,
    record: (entry) => registry.recordCertificate(entry),
  })
}

/** The lake that is configured, made when there is none; over its store as `through` shows it. */
export async function openLocalLake(context: FleetContext, through = (store: ObjectStore) => store): Promise<Lake> {
  const { config, clock, random } = context
  const { buckets } = config.layout
  const lake = await createLake({
    store: through(await newLakeStore(context)),
    clock,
    random,
    fleet: config.fleet,
    region: config.region,
    buckets,
  })
  const found = lake.layouts.at(-1)?.buckets
  if (found === buckets) return lake
  const advice = `set layout.buckets (HEARTH_LAYOUT_BUCKETS) to ${found}, as everywhere else on this lake`
  throw new Problem(
    'invalid',
    `the lake in ${lake.store.url} has ${found} buckets, not the ${buckets} that are configured: ${advice}`,
  )
}

/** The lake that is configured, as it is. Raises `missing` when there is none. */
export function existingLake(context: FleetContext): Promise<Lake> {
  const { config, clock, random } = context
  return openLake({ store: lakeStore(context), clock, random }, config)
}

/** Key, certificate and the CA to trust, all PEM, as node:tls takes them. */
export type TlsFiles = { readonly key: string; readonly cert: string; readonly ca: string }

/** The certificate of a server of this installation, from `ca/<name>.pem`, made or renewed when needed. */
export function serverTls(context: FleetContext, authority: Authority, name: 'relay' | 'ingest'): Promise<TlsFiles> {
  const { config } = context
  const names = [...namesOf(config[name]), ...(name === 'relay' ? peerNamesOf(config.relay) : [])]
  // Relays may share a state folder; the first one's file is called as it was when it was the only one.
  const file = name === 'relay' && config.relay.source !== FIRST_RELAY ? `${config.relay.source}-server` : name
  return keptTls(context, authority, file, names, () => authority.issueServer(name, names))
}

/** The host by which other relays reach this one, where that is said. */
function peerNamesOf({ peer_address }: { readonly peer_address: string }): readonly string[] {
  return peer_address === '' ? [] : [hostOf(new URL(`tls://${peer_address}`))]
}

/** By which names others reach a server: what it listens on, unless that is everything, and what is configured. */
export function namesOf({ host, names }: { readonly host: string; readonly names: string }): readonly string[] {
  return [host, ...names.split(',')].filter((name) => !['0.0.0.0', '::', ''].includes(name))
}

/** That of a service, from a file there too. */
export function serviceTls(context: FleetContext, authority: Authority, service: string): Promise<TlsFiles> {
  return keptTls(context, authority, service, [], () => authority.issueService(service))
}

async function keptTls(
  { home, clock }: FleetContext,
  authority: Authority,
  name: string,
  names: readonly string[],
  issue: () => Promise<IssuedWithKey>,
): Promise<TlsFiles> {
  const path = join(home, 'ca', `${name}.pem`)
  if (existsSync(path)) {
    const text = readFileSync(path, 'utf8')
    const [key = '', cert = ''] = text.split(/(?=-----BEGIN CERTIFICATE-----)/)
    const kept = new X509Certificate(cert)
    const hasAll = names.every((one) => (isIP(one) ? kept.checkIP(one) : kept.checkHost(one)) !== undefined)
    const isOurs = kept.verify(new X509Certificate(authority.certificate_pem).publicKey)
    if (hasAll && isOurs && kept.validToDate.getTime() - clock.now() > RENEW_BEFORE_MS) {
      return { key, cert, ca: authority.certificate_pem }
    }
  }
  const issued = await issue()
  writeFiles([[path, `${issued.key_pem}${issued.certificate_pem}`]])
  return { key: issued.key_pem, cert: issued.certificate_pem, ca: authority.certificate_pem }
}
