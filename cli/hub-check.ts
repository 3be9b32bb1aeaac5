/** `hearth hub check`: does a hub, or an endpoint, keep what docs/hub-protocol.md says? */
import { type Command, Option } from 'commander'
import type { CliContext } from './context.ts'
import type { EndpointOptions } from './hub-check-connect.ts'
import type { HubOptions } from './hub-check-listen.ts'
import { flagsGiven, goWith, whole } from './option.ts'

/** Options of one way alone; --hub is of both. */
const OF_LISTEN = ['device', 'set', 'relayPort', 'gatewayPort', 'powerCycle']
const OF_CONNECT = ['ca', 'cert', 'key', 'servername']

type Options = HubOptions & EndpointOptions & { readonly listen?: true | string }

const EXAMPLES = `
Examples:
  hearth hub check --listen                                       your hub connects to this machine, and is checked
  hearth hub check --listen 192.0.2.7 --device porch-light --set powered=false --power-cycle
  hearth hub check --connect mqtts://relay.example:8883 --ca ca.pem --cert cert.pem --key key.pem
  hearth hub check --connect mqtts://127.0.0.1:8884 --hub check-1   with the certificate in <state>/hubs/check-1

--listen plays relay and gateway for one hub. Its certificates are made once, in <state>/check: put them on the hub. It sets the
device that you name, cuts connections, refuses them for a while, and raises the boot counter.

--connect speaks as the hub of that certificate, in a boot above all that the server knows, and takes its connection over: give it
a hub of its own. What it sends is one device state (relay) or empty batches (gateway).

One line pass, FAIL or skip for each promise of docs/hub-protocol.md that can be seen from outside in a few minutes. Exit code 1
when one fails: a hub that does not come has failed the first, and the rest are skipped.`

export function register(hub: Command, context: CliContext): void {
  // Else --ca and --hub after `check` would be taken for those of `hearth hub`.
  hub.parent?.enablePositionalOptions()
  hub.enablePositionalOptions()
  hub
    .command('check')
    .description('check a hub, or an endpoint as a hub meets it, by what docs/hub-protocol.md says')
    .addOption(
      new Option('--listen [host]', 'check the hub that connects to this machine (default: localhost)').conflicts(
        'connect',
      ),
    )
    .option('--connect <url>', 'check a relay or gateway, or what is in front of it: mqtts://host:port')
    .option('--hub <id>', 'listen: what the hub is called (default: check-hub); connect: one of the state folder')
    .option('--device <id>', 'listen: a device of the hub', 'kitchen-lamp')
    .option('--set <attribute=value...>', 'listen: what is set of it (default: powered=true)')
    .option('--relay-port <port>', 'listen: where the hub finds its relay', whole(0, 65_535), 8893)
    .option('--gateway-port <port>', 'listen: where the hub finds its gateway', whole(0, 65_535), 8894)
    .option('--power-cycle', 'listen: ask for the power to be cut, and see what the hub still knows')
    .addOption(new Option('--ca <file>', "connect: certificate of the fleet's CA").conflicts('hub'))
    .addOption(new Option('--cert <file>', "connect: the hub's certificate").conflicts('hub'))
    .addOption(new Option('--key <file>', 'connect: its key').conflicts('hub'))
    .option('--servername <name>', 'connect: name that the server’s certificate must have, where it is not the host')
    .option('--json', 'each finding as JSON, one a line')
    .addHelpText('after', EXAMPLES)
    .action((options: Options, command: Command) => run(context, options, command))
}

/** What checks is loaded only here: `hearth hub` by itself stays small. */
async function run(context: CliContext, options: Options, command: Command): Promise<void> {
  if (options.listen !== undefined) goWith('--connect', false, flagsGiven(command, ...OF_CONNECT))
  if (options.connect !== undefined) goWith('--listen', false, flagsGiven(command, ...OF_LISTEN))
  if (options.listen !== undefined) {
    const { checkHub } = await import('./hub-check-listen.ts')
    await checkHub(context, options.listen === true ? 'localhost' : options.listen, options)
  } else {
    const { checkEndpoint } = await import('./hub-check-connect.ts')
    await checkEndpoint(context, options)
  }
}
