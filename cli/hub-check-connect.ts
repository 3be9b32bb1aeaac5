/** `hearth hub check --connect`: an endpoint as a hub meets it. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostOf } from '../contract/host.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import { openEndpointBench } from '../link/check/endpoint-bench.ts'
import { endpointChecks } from '../link/check/endpoint-checks.ts'
import { identityOf } from '../link/identity.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import { report } from './check-report.ts'
import type { CliContext } from './context.ts'
import { keptFiles } from './hub-files.ts'
import { hubFolder } from './hub-identity.ts'

export type EndpointOptions = {
  readonly connect?: string
  readonly hub?: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
  readonly json?: boolean
}

/** Raises `unavailable` when it cannot be reached, `unauthorized` when it takes no hub with this certificate. */
export async function checkEndpoint(context: CliContext, options: EndpointOptions): Promise<void> {
  const { host, port } = targetOf(options.connect)
  const tls = filesOf(context, options)
  const { source: hub, generation } = identityOf(certificateOf(tls.cert))
  const { clock } = context
  const { servername } = options
  const bench = await openEndpointBench({ host, port, tls, hub, generation, clock, ...(servername && { servername }) })
  const close = () => bench.close()
  context.signal.addEventListener('abort', close, { once: true })
  try {
    if (!options.json)
      context.note(`${host}:${port} is a ${bench.kind}; ${hub} speaks as boot ${generation}-${bench.counter}`)
    await report(context, options.json === true, endpointChecks(bench.kind), bench)
  } finally {
    context.signal.removeEventListener('abort', close)
    bench.close()
  }
}

function targetOf(text: string | undefined): { readonly host: string; readonly port: number } {
  if (text === undefined)
    throw new Problem(
      'invalid',
      'say what to check: --listen for a hub, or --connect mqtts://host:port (hearth hub check --help)',
    )
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'mqtts:' || url.port === '')
    throw new Problem('invalid', `--connect: expected mqtts://host:port, found ${text}`)
  return { host: hostOf(url), port: Number(url.port) }
}

function filesOf(context: CliContext, { hub, ca, cert, key }: EndpointOptions): ClientTls {
  if (hub !== undefined) {
    const folder = hubFolder(context, hub)
    const kept = keptFiles(folder)
    if (!kept) throw new Problem('missing', `${folder} has no certificate; hearth hub --id ${hub} --code … enrols it`)
    return kept
  }
  if (ca === undefined || cert === undefined || key === undefined) {
    throw new Problem('invalid', 'say who the hub is: --ca, --cert and --key, or --hub for one of the state folder')
  }
  return { ca: read(ca), cert: read(cert), key: read(key) }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Problem('missing', `${file} cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

function certificateOf(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw new Problem('invalid', `--cert: expected a certificate in PEM: ${messageOf(error)}`, { cause: error })
  }
}
