/** `hearth hub check`: does a hub, or an endpoint, keep what docs/hub-protocol.md says? */

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { messageOf, Problem } from '../contract/problem.ts'
import { openEndpointBench } from '../link/check/endpoint-bench.ts'
import { endpointChecks } from '../link/check/endpoint-checks.ts'
import { identityOf } from '../link/identity.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import { report } from './check-report.ts'
import type { CliContext } from './context.ts'
import { checkHub, type HubOptions } from './hub-check-listen.ts'
import { keptFiles } from './hub-files.ts'
import { hubFolder } from './hub-identity.ts'
import { whole } from './option.ts'

type Options = HubOptions & {
  readonly connect?: string
  readonly listen?: true | string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
}

const EXAMPLES = `
Examples:
  hearth hub check --listen                                       your hub connects to this machine, and is checked
  hearth hub check --listen 192.0.2.7 --device porch-light --set powered=false --power-cycle
  hearth hub check --connect mqtts://relay.example:8883 --ca ca.pem --cert cert.pem --key key.pem
  hearth hub check --connect mqtts://127.0.0.1:8884 --hub check-1 with the certificate in <state>/hubs/check-1

--listen plays relay and gateway for one hub. Its certificates are made once, in <state>/check: put them on the hub. It sets the
device that you name, cuts connections, refuses them for a while, and raises the boot counter.

--connect speaks as the hub of that certificate, in a boot above all that the server knows, and takes its connection over: give it
a hub of its own. What it sends is one device state (relay) or empty batches (gateway).

One line pass, FAIL or skip for each promise of docs/hub-protocol.md; exit code 1 when one fails.`

export function register(hub: Command, context: CliContext): void {
  // Else --ca and --hub after `check` would be taken for those of `hearth hub`.
  hub.parent?.enablePositionalOptions()
  hub.enablePositionalOptions()
  hub
    .command('check')
    .description('check a hub, or an endpoint as a hub meets it, by what docs/hub-protocol.md says')
    .option('--listen [host]', 'check the hub that connects to this machine (default: localhost)')
    .option('--connect <url>', 'check a relay or gateway, or what is in front of it: mqtts://host:port')
    .option('--hub <id>', 'listen: what the hub is called (default: check-hub); connect: one of the state folder')
    .option('--device <id>', 'listen: a device of the hub', 'kitchen-lamp')
    .option('--set <attribute=value...>', 'listen: what is set of it (default: powered=true)')
    .option('--relay-port <port>', 'listen: where the hub finds its relay', whole(0, 65_535), 8893)
    .option('--gateway-port <port>', 'listen: where the hub finds its gateway', whole(0, 65_535), 8894)
    .option('--power-cycle', 'listen: ask for the power to be cut, and see what the hub still knows')
    .option('--ca <file>', "connect: certificate of the fleet's CA")
    .option('--cert <file>', "connect: the hub's certificate")
    .option('--key <file>', 'connect: its key')
    .option('--servername <name>', 'connect: name that the server’s certificate must have, where it is not the host')
    .option('--json', 'each finding as JSON, one a line')
    .addHelpText('after', EXAMPLES)
    .action((options: Options) => run(context, options))
}

async function run(context: CliContext, options: Options): Promise<void> {
  if (options.listen !== undefined && options.connect !== undefined)
    throw new Problem('invalid', 'either --listen or --connect')
  if (options.listen !== undefined) {
    await checkHub(context, options.listen === true ? 'localhost' : options.listen, options)
  } else await checkEndpoint(context, options)
}

async function checkEndpoint(context: CliContext, options: Options): Promise<void> {
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
  return { host: url.hostname, port: Number(url.port) }
}

function filesOf(context: CliContext, { hub, ca, cert, key }: Options): ClientTls {
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
