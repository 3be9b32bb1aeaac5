/** `hearth hub check`: does an endpoint keep what docs/hub-protocol.md says? */

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { messageOf, Problem } from '../contract/problem.ts'
import { type Finding, runChecks } from '../link/check/check.ts'
import { openEndpointBench } from '../link/check/endpoint-bench.ts'
import { endpointChecks } from '../link/check/endpoint-checks.ts'
import { identityOf } from '../link/identity.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import type { CliContext } from './context.ts'
import { keptFiles } from './hub-files.ts'
import { hubFolder } from './hub-identity.ts'

type Options = {
  readonly connect?: string
  readonly hub?: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  hearth hub check --connect mqtts://relay.example:8883 --ca ca.pem --cert cert.pem --key key.pem
  hearth hub check --connect mqtts://127.0.0.1:8884 --hub check-1     with the certificate in <state>/hubs/check-1

It speaks as the hub of that certificate, in a boot above all that the server knows, and takes its connection over: give it a
hub of its own. What it sends is one device state (relay) or empty batches (gateway). Exit code 1 when a check fails.`

export function register(hub: Command, context: CliContext): void {
  // Else --ca and --hub after `check` would be taken for those of `hearth hub`.
  hub.parent?.enablePositionalOptions()
  hub.enablePositionalOptions()
  hub
    .command('check')
    .description('check an endpoint as a hub meets it: one line pass or FAIL for each promise of docs/hub-protocol.md')
    .option('--connect <url>', 'mqtts://host:port of a relay or gateway, or of what is in front of it')
    .option('--ca <file>', "certificate of the fleet's CA")
    .option('--cert <file>', "the hub's certificate")
    .option('--key <file>', 'its key')
    .option('--hub <id>', 'in place of the three files: a hub whose certificate is in the state folder')
    .option('--servername <name>', 'name that the server’s certificate must have, where it is not the host')
    .option('--json', 'each finding as JSON, one a line')
    .addHelpText('after', EXAMPLES)
    .action((options: Options) => run(context, options))
}

async function run(context: CliContext, options: Options): Promise<void> {
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
    const findings = await runChecks(endpointChecks(bench.kind), bench, (finding) => {
      if (!context.signal.aborted) context.print(options.json ? JSON.stringify(finding) : lineOf(finding))
    })
    context.signal.throwIfAborted()
    const failed = findings.filter(({ ok }) => !ok).length
    if (!options.json)
      context.print(failed === 0 ? `${findings.length} passed` : `${findings.length - failed} passed, ${failed} failed`)
    if (failed > 0) process.exitCode = 1
  } finally {
    context.signal.removeEventListener('abort', close)
    bench.close()
  }
}

/** `pass` or `FAIL`, what must be, and what was found instead. */
export function lineOf({ check, expected, seen, ok }: Finding): string {
  return ok ? `pass  ${check}: ${expected}` : `FAIL  ${check}: ${expected}\n      found: ${seen}`
}

function targetOf(text: string | undefined): { readonly host: string; readonly port: number } {
  if (text === undefined)
    throw new Problem('invalid', 'say what to check: --connect mqtts://host:port (hearth hub check --help)')
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
