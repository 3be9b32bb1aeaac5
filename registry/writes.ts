import type { Administration, RegistryWrites } from './administration.ts'
import type { RegistryOptions } from './registry-options.ts'
import type { Change } from './steps.ts'
import { certificateWrites } from './write-certificates.ts'
import { claimWrites } from './write-claims.ts'
import { codeWrites } from './write-codes.ts'
import { hubWrites } from './write-hubs.ts'
import { tokenWrites } from './write-tokens.ts'

/** Everything that changes a registry, in whichever database `change` runs it. */
export function registryWrites(
  change: Change,
  parts: RegistryOptions & Pick<Administration, 'wall_ms'>,
): RegistryWrites {
  return {
    ...hubWrites(change, parts),
    ...tokenWrites(change, parts),
    ...certificateWrites(change, parts),
    ...codeWrites(change, parts),
    ...claimWrites(change, parts),
  }
}
