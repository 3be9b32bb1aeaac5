/** Devices that a factory made: which serials are expected, and what became of them. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { Problem } from '../contract/problem.ts'
import type { ExpectedDevice } from '../registry/administration.ts'
import type { CliContext } from './context.ts'
import { openRegistry } from './fleet.ts'
import type { Answer } from './registry.ts'
import { shortTime, textTable } from './text-table.ts'
import { withFile } from './world-fault.ts'

type Options = { readonly json?: boolean; readonly batch?: string }
const COLUMNS = ['serial', 'hub', 'home', 'region', 'model', 'zone', 'key_hash'] as const

export function registerClaims(group: Command, context: CliContext, answer: Answer): void {
  const claim = group.command('claim').description('devices of a factory, which come with a claim certificate')
  claim
    .command('import <file>')
    .description(
      'expect the devices of a CSV file: a line of names (serial; also hub, home, region, model, zone, key_hash), then a line a device',
    )
    .requiredOption(
      '--batch <name>',
      'the batch, whose claim certificate they come with (hearth ca issue --role claim)',
    )
    .option('--json', 'as JSON')
    .action(async (file: string, options: Options) => {
      const text = await withFile('the list of devices', file, 'read', () => readFile(file, 'utf8'))
      const devices = devicesOf(text, file, context.config.region)
      const batch = options.batch ?? ''
      await answer(
        options,
        async (registry) => ({ batch, devices: devices.length, added: await registry.expectDevices(batch, devices) }),
        ({ added }) => `${added} devices are new, ${devices.length - added} were expected already.`,
        openRegistry,
      )
    })
  claim
    .command('list')
    .description('devices that are expected, and when each got its certificate')
    .option('--batch <name>', 'of this batch alone')
    .option('--json', 'as JSON')
    .action((options: Options) =>
      answer(
        options,
        (registry) => registry.claims(options.batch),
        (claims) =>
          textTable(
            ['serial', 'batch', 'hub', 'home', 'key', 'claimed'],
            claims.map((one) => [
              ...[one.serial, one.batch, one.hub, one.home],
              ...[one.key_hash?.slice(0, 8) ?? 'any', shortTime(one.claimed_ms)],
            ]),
          ),
      ),
    )
}

/** Raises `invalid` with file and line. What a line leaves out: the hub is named like the serial, the home like the hub. */
export function devicesOf(text: string, file: string, region: string): readonly ExpectedDevice[] {
  const [head = '', ...lines] = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const names = head.split(',').map((name) => name.trim())
  const unknown = names.find((name) => !COLUMNS.some((column) => column === name))
  if (!names.includes('serial') || unknown !== undefined) {
    const found = JSON.stringify(unknown ?? head)
    throw new Problem(
      'invalid',
      `${file}:1: expected names of ${COLUMNS.join(', ')} with serial among them, found ${found}`,
    )
  }
  const seen = new Map<string, number>()
  return lines.flatMap((line, index): readonly ExpectedDevice[] => {
    const place = `${file}:${index + 2}`
    if (line.trim() === '') return []
    const values = line.split(',').map((value) => value.trim())
    if (values.length !== names.length) {
      throw new Problem(
        'invalid',
        `${place}: expected ${names.length} values as in its first line, found ${values.length}`,
      )
    }
    const given = new Map(names.map((name, at) => [name, values[at] ?? '']))
    const of = (name: (typeof COLUMNS)[number]) => given.get(name) || undefined
    const serial = of('serial') ?? ''
    const twin = seen.get(serial)
    if (twin !== undefined) throw new Problem('invalid', `${place}: serial ${serial} is in line ${twin} too`)
    seen.set(serial, index + 2)
    const hub = of('hub') ?? serial.toLowerCase()
    const key_hash = of('key_hash')
    return [
      {
        ...{ serial, hub, home: of('home') ?? hub, region: of('region') ?? region },
        ...{ model: of('model') ?? 'unknown', zone: of('zone') ?? 'UTC' },
        ...(key_hash === undefined ? {} : { key_hash: key_hash.toLowerCase() }),
      },
    ]
  })
}
