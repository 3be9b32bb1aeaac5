/** A relay and a gateway for one hub that is checked, with a fleet of their own. */
import { join } from 'node:path'
import { Problem } from '../contract/problem.ts'
import { isId } from '../contract/source.ts'
import { openHubBench } from '../link/check/hub-bench.ts'
import { COMMAND_CHECKS, POWER_CHECKS } from '../link/check/hub-checks.ts'
import { TELEMETRY_CHECKS } from '../link/check/telemetry-checks.ts'
import { makeFolder } from '../link/folder.ts'
import { HUB_WAIT_MS } from '../link/limits.ts'
import { createAuthority } from '../registry/authority.ts'
import { report } from './check-report.ts'
import type { CliContext } from './context.ts'
import { keepFiles, keptFiles } from './hub-files.ts'
import { parseSet } from './send.ts'

export type HubOptions = {
  readonly hub?: string
  readonly device: string
  readonly set?: readonly string[]
  readonly relayPort: number
  readonly gatewayPort: number
  readonly powerCycle?: boolean
  readonly json?: boolean
}

/** Waits for a hub and checks it. Raises `unavailable` when a port cannot be had. */
export async function checkHub(context: CliContext, host: string, options: HubOptions): Promise<void> {
  const { clock, random } = context
  const { hub = 'check-hub', device, relayPort, gatewayPort } = options
  for (const id of [hub, device])
    if (!isId(id)) throw new Problem('invalid', `${id} is no id: a-z, 0-9, dot, dash and underscore`)
  const set = parseSet(options.set ?? ['powered=true'])
  const folder = join(context.home, 'check')
  makeFolder(folder)
  const authority = await createAuthority(folder, { fleet: 'check', clock, random, record: () => Promise.resolve() })
  const identity = join(folder, hub)
  if (!keptFiles(identity)) {
    const { key_pem: key, certificate_pem: cert } = await authority.issueHub(hub, 1)
    keepFiles(identity, { key, cert, ca: authority.certificate_pem })
  }
  const server = await authority.issueServer(host, [host])
  const bench = await openHubBench({
    ...{
      host,
      relay_port: relayPort,
      gateway_port: gatewayPort,
      fleet: 'check',
      hub,
      generation: 1,
      device,
      set,
      clock,
      random,
    },
    tls: { key: server.key_pem, cert: server.certificate_pem, ca: authority.certificate_pem },
    ask: (text) => context.note(`> ${text}`),
    turnedAway: refusals(context),
  })
  const close = () => void bench.close()
  context.signal.addEventListener('abort', close, { once: true })
  try {
    context.note(
      `relay ${bench.relayUrl}, gateway ${bench.gatewayUrl}; key.pem, cert.pem and ca.pem of ${hub} are in ${identity}`,
    )
    context.note(`waiting up to ${HUB_WAIT_MS / 1000} s for ${hub}`)
    const checks = [...COMMAND_CHECKS, ...TELEMETRY_CHECKS, ...(options.powerCycle ? POWER_CHECKS : [])]
    await report(context, options.json === true, checks, bench)
  } finally {
    context.signal.removeEventListener('abort', close)
    await bench.close()
  }
}

/** Notes who was turned away and why; a hub that tries again for the same reason is told of once. */
function refusals({ note }: CliContext) {
  const last = new Map<string, string>()
  return (at: 'relay' | 'gateway', reason: string, address: string) => {
    if (last.get(at) === reason) return
    last.set(at, reason)
    note(`turned away by the ${at}${address && `, from ${address}`}: ${reason}`)
  }
}
