/** `hearth ca rotate`: another CA in the place of the one that there is, while everything runs. */
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { isProblem, Problem } from '../contract/problem.ts'
import type { Administration } from '../registry/administration.ts'
import { type RootOptions, readOrCreateRoots, trustedPem } from '../registry/authority-file.ts'
import { hubsBehind, phaseOf, type Rotation, type RotationStep, rotate } from '../registry/authority-rotation.ts'
import type { CliContext } from './context.ts'
import { existingRegistry } from './fleet.ts'

type Options = { readonly json?: boolean; readonly force?: boolean } & Partial<Record<RotationStep, boolean>>

const NAMED_MAX = 10
const NEXT: Readonly<Record<Rotation['phase'], string>> = {
  settled: 'One CA signs and is trusted. hearth ca rotate --begin makes another one beside it.',
  begun: 'A new CA is trusted and does not sign yet. When no hub is behind: hearth ca rotate --switch',
  switched: 'The new CA signs, the old one is still trusted. When no hub is behind: hearth ca rotate --end',
}

export function registerRotation(group: Command, context: CliContext): void {
  group
    .command('rotate')
    .description('replace the CA in three steps, with everything running; without a step: how far it is')
    .addOption(new Option('--begin', 'make a new CA, which is trusted and does not sign').conflicts(['switch', 'end']))
    .addOption(new Option('--switch', 'let the new CA sign; the old one is still trusted').conflicts(['begin', 'end']))
    .addOption(new Option('--end', 'trust the new CA alone').conflicts(['begin', 'switch']))
    .option('--force', 'take the step though it leaves hubs behind: they need a code, or the new CA by hand')
    .option('--json', 'as JSON')
    .action(async (options: Options) => {
      const step = (['begin', 'switch', 'end'] as const).find((name) => options[name])
      const folder = join(context.home, 'ca')
      const registry = await existingRegistry(context)
      try {
        const parts = { fleet: context.config.fleet, clock: context.clock, random: context.random }
        const look = () => standing(context, registry, { folder, parts, isForced: options.force === true })
        const [before, behind] = await look()
        const leaves =
          (step === 'switch' && before.phase === 'begun') || (step === 'end' && before.phase === 'switched')
        if (leaves && behind && behind.length > 0 && !options.force) {
          const named = `${behind.slice(0, NAMED_MAX).join(', ')}${behind.length > NAMED_MAX ? ', …' : ''}`
          const advice = 'they renew by themselves when they are on; --force takes the step without them'
          throw new Problem('conflict', `--${step} would leave ${behind.length} hubs behind: ${named}; ${advice}`)
        }
        if (step !== undefined) await rotate(folder, step, parts)
        const [after, left] = step === undefined ? [before, behind] : await look()
        const found = { ...after, behind: left }
        const counted = after.phase === 'settled' ? '' : `\nHubs that are behind: ${left?.length ?? 'not known'}`
        context.print(options.json ? JSON.stringify(found, undefined, 2) : `${NEXT[after.phase]}${counted}`)
      } finally {
        await registry.close()
      }
    })
}

/** How far a rotation is, and the hubs that its next step would leave behind; forced, also where nobody can tell which. */
async function standing(
  { note }: Pick<CliContext, 'note'>,
  registry: Administration,
  { folder, parts, isForced }: { readonly folder: string; readonly parts: RootOptions; readonly isForced: boolean },
) {
  const roots = await readOrCreateRoots(folder, parts)
  const rotation = phaseOf(roots)
  if (rotation.phase === 'settled') return [rotation, []] as const
  try {
    return [rotation, await hubsBehind(registry, trustedPem(roots), parts.clock.now())] as const
  } catch (error) {
    if (!isForced || !isProblem(error)) throw error
    note(`which hubs are behind is not known: ${error.message}`)
    return [rotation, undefined] as const
  }
}
