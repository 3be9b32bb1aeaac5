/** The certificate of a hub that runs on this machine: kept in `hubs/<hub>/`, made or renewed when needed. */
import { hash } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isProblem, Problem } from '../contract/problem.ts'
import { claim, type Enrolled, enrol, hubOf, newKey, renew, renewalDue } from '../hub-agent/enrolment.ts'
import { makeFolder } from '../link/folder.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import type { CliContext } from './context.ts'
import { keepFiles, keptFiles } from './hub-files.ts'
import { writeFiles } from './state-file.ts'

/** Beside the identity that a hub has, while it asks for another. */
const KEY_TO_COME = 'enrolment-key.pem'
/** SHA-256 of the code that gave the hub its certificate: said again, as in a unit that is started again, it is no more asked for. */
const ENROLLED_BY = 'enrolled-by'

export type HubIdentity = {
  readonly hub: string
  readonly generation: number
  readonly tls: ClientTls
  readonly zone: string
}

/** `hubs/<hub>` in the state folder. */
export function hubFolder({ home }: Pick<CliContext, 'home'>, hub: string): string {
  return join(home, 'hubs', hub)
}

/** Hubs of this machine's own fleet: what the registry does not know it learns, and the local CA signs. */
export async function localIdentities(
  context: CliContext,
  hubs: readonly string[],
  model: string,
): Promise<readonly HubIdentity[]> {
  // With lake and CA, which a hub of a fleet elsewhere has no use for.
  const { openAuthority, openRegistry } = await import('./fleet.ts')
  const registry = await openRegistry(context)
  try {
    const authority = await openAuthority(context, registry)
    const identities: HubIdentity[] = []
    for (const hub of hubs) {
      const now_ms = context.clock.now()
      if (!registry.hub(hub)) {
        const where = { home: `home-${hub}`.slice(0, 64), region: context.config.region, model, zone: 'UTC' }
        await registry.putHub({ hub, ...where, generation: 1, enrolled_ms: now_ms, maintenance: [] }, now_ms)
      }
      const record = registry.hub(hub)
      if (!record || record.retired_ms !== undefined)
        throw new Problem('conflict', `hub ${hub} is retired; add it anew`)
      const folder = hubFolder(context, hub)
      const { generation, zone } = record
      const before = keptFiles(folder)
      if (before && hubOf(before.cert).generation === generation && !renewalDue(before.cert, now_ms)) {
        identities.push({ hub, generation, zone, tls: before })
        continue
      }
      const issued = await authority.issueHub(hub, generation)
      const tls = { key: issued.key_pem, cert: issued.certificate_pem, ca: authority.certificate_pem }
      keepFiles(folder, tls)
      identities.push({ hub, generation, zone, tls })
    }
    return identities
  } finally {
    await registry.close()
  }
}

/** A hub of a fleet elsewhere: by the certificate that it has, renewed in time, or by a one-time code. */
export async function remoteIdentity(
  context: Pick<CliContext, 'home' | 'clock' | 'note'>,
  options: {
    readonly hub: string
    readonly url: string
    readonly code?: string
    readonly ca?: string
    /** Folder of the claim certificate of its batch, and the serial of the device. */
    readonly claim?: { readonly folder: string; readonly serial: string }
  },
): Promise<HubIdentity> {
  const folder = hubFolder(context, options.hub)
  const now_ms = context.clock.now()
  const before = keptFiles(folder)
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
  // What a factory put there stays there: a hub that has its certificate claims no more.
  const code = options.code === undefined ? undefined : codeHash(options.code)
  // Cut off once the certificate was kept: what the key to come was for has come.
  if (before && code !== undefined && before.key === kept(join(folder, KEY_TO_COME))) settle(folder, code)
  if (before && (code === undefined || kept(join(folder, ENROLLED_BY)) === code)) {
    const has = { ...hubOf(before.cert), zone, tls: before }
    if (!renewalDue(before.cert, now_ms)) return has
    try {
      return taken(folder, options.hub, await renew({ url: options.url, tls: before, now_ms }), zone)
    } catch (error) {
      if (!isProblem(error, 'unavailable')) throw error
      context.note(`${options.hub}: goes on with the certificate that it has, and will try again: ${error.message}`)
      return has
    }
  }
  if (options.claim) {
    const made = keptFiles(options.claim.folder)
    if (!made)
      throw new Problem('missing', `${options.claim.folder} has no claim certificate: key.pem, cert.pem and ca.pem`)
    const { serial } = options.claim
    const key = await keyToCome(folder)
    return taken(folder, options.hub, await claim({ url: options.url, claim: made, serial, key, now_ms }), zone)
  }
  if (code === undefined || options.code === undefined) {
    throw new Problem(
      'unauthorized',
      `${folder} has no certificate: enrol with --code (hearth registry code ${options.hub})`,
    )
  }
  const ca = options.ca ?? join(context.home, 'ca', 'ca.pem')
  if (!existsSync(ca))
    throw new Problem('missing', `${ca} is not there: give the certificate of the fleet's CA with --ca`)
  const key = await keyToCome(folder)
  const enrolled = await enrol({ url: options.url, ca: readFileSync(ca, 'utf8'), code: options.code, key, now_ms })
  return taken(folder, options.hub, enrolled, zone, code)
}

function codeHash(code: string): string {
  return hash('sha256', code.trim().toLowerCase())
}

function kept(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** The code is remembered before its key is forgotten. */
function settle(folder: string, code: string | undefined): void {
  if (code !== undefined) writeFiles([[join(folder, ENROLLED_BY), code]])
  rmSync(join(folder, KEY_TO_COME), { force: true })
}

/** The key of an enrolment, on disk before it is asked for: the same again when the answer was lost. */
async function keyToCome(folder: string): Promise<string> {
  const path = join(folder, KEY_TO_COME)
  if (existsSync(path)) return readFileSync(path, 'utf8')
  makeFolder(folder)
  const key = await newKey()
  writeFiles([[path, key]])
  return key
}

/** Keeps what was given, its key in two places until all is settled. */
function taken(folder: string, hub: string, enrolled: Enrolled, zone: string, code?: string): HubIdentity {
  if (enrolled.hub !== hub) {
    throw new Problem('conflict', `the code is for hub ${enrolled.hub}, not ${hub}: run it with --id ${enrolled.hub}`)
  }
  keepFiles(folder, enrolled.tls)
  settle(folder, code)
  return { hub, generation: enrolled.generation, zone, tls: enrolled.tls }
}
