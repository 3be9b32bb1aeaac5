import type { Layout } from '../contract/bucket.ts'
import { type Clock, type Random, randomHex } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import { formatBoot } from '../contract/source.ts'

/** Rises when the tables change; a newer one than this code knows is refused. */
export const REGISTRY_FORMAT = 1

export type RegistryOptions = {
  readonly fleet: string
  readonly layout: Layout
  readonly clock: Clock
  readonly random: Random
}

/** What a registry says of itself, written once when its database is made. */
export type RegistryMeta = {
  readonly format: number
  readonly fleet: string
  readonly epoch: number
  readonly buckets: number
  readonly boot: string
  readonly wall_ms: number
}

/** Of a registry that is made now. */
export function newMeta({ fleet, layout, clock, random }: RegistryOptions): RegistryMeta {
  const boot = formatBoot({ generation: 1, counter: 1, random: randomHex(random, 4) })
  return { format: REGISTRY_FORMAT, fleet, epoch: layout.epoch, buckets: layout.buckets, boot, wall_ms: clock.now() }
}

/** Raises `invalid` for a newer format, `conflict` for another fleet or layout. `place` names the database. */
export function checkMeta(meta: RegistryMeta, place: string, { fleet, layout }: RegistryOptions): RegistryMeta {
  if (meta.format !== REGISTRY_FORMAT) {
    throw new Problem(
      'invalid',
      `${place} has registry format ${meta.format}, this version of Hearth knows ${REGISTRY_FORMAT}: use the version that wrote it, or a newer one`,
    )
  }
  if (meta.fleet !== fleet) {
    throw new Problem(
      'conflict',
      `${place} is the registry of fleet ${JSON.stringify(meta.fleet)}, this process is of fleet ${JSON.stringify(fleet)}: correct \`fleet\` in hearth.yaml, or use another folder`,
    )
  }
  if (meta.epoch === layout.epoch && meta.buckets === layout.buckets) return meta
  throw new Problem(
    'conflict',
    `${place} numbers its changes for layout epoch ${meta.epoch} with ${meta.buckets} buckets, the lake has epoch ${layout.epoch} with ${layout.buckets}: set layout.buckets to ${meta.buckets}, or use another folder`,
  )
}
