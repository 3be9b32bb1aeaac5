/** `bridge/devices` and `bridge/groups` as devices of Hearth. Pure. */
import { z } from 'zod'
import { Problem } from '../../contract/problem.ts'
import { isId } from '../../contract/source.ts'
import { type Attribute, attributesOf, deviceType } from './exposes.ts'
import { DEVICES_MAX } from './limits.ts'

export type Entity = {
  /** Its IEEE address, or `group-7`: stays when it gets another name. */
  readonly key: string
  /** The friendly name: part of its topics. */
  readonly name: string
  /** What Hearth calls it. */
  readonly id: string
  readonly type: string
  readonly disabled: boolean
  readonly attributes: readonly Attribute[]
}

export type Catalogue = { readonly entities: readonly Entity[]; readonly faults: readonly string[] }

const bridgeDevices = z.array(
  z.object({
    ieee_address: z.string(),
    friendly_name: z.string(),
    type: z.string().optional(),
    disabled: z.boolean().optional(),
    definition: z.object({ exposes: z.array(z.unknown()).optional() }).nullish(),
  }),
)
const bridgeGroups = z.array(
  z.object({
    id: z.number(),
    friendly_name: z.string(),
    members: z.array(z.object({ ieee_address: z.string() })).optional(),
  }),
)
export type BridgeDevices = z.infer<typeof bridgeDevices>
export type BridgeGroups = z.infer<typeof bridgeGroups>

/** Raises `invalid` for what is not the documented form. */
export const readDevices = (json: unknown): BridgeDevices => read('bridge/devices', bridgeDevices, json)
export const readGroups = (json: unknown): BridgeGroups => read('bridge/groups', bridgeGroups, json)

function read<T>(topic: string, schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new Problem('invalid', `${topic} is not as documented: ${z.prettifyError(parsed.error)}`)
}

/** `reserved` are ids that no device may have. A group has the attributes that all its members have. */
export function catalogueOf(devices: BridgeDevices, groups: BridgeGroups, reserved: readonly string[] = []): Catalogue {
  const faults: string[] = []
  const known: Omit<Entity, 'id'>[] = []
  for (const { ieee_address, friendly_name, type, disabled, definition } of devices) {
    if (type === 'Coordinator') continue
    const exposes = definition?.exposes ?? []
    const { attributes, faults: wrong } = attributesOf(exposes)
    faults.push(...wrong.map((fault) => `${friendly_name}: ${fault}`))
    const about = { type: deviceType(exposes, attributes), disabled: disabled ?? false, attributes }
    known.push({ key: ieee_address, name: friendly_name, ...about })
  }
  for (const { id, friendly_name, members = [] } of groups) {
    const of = members.flatMap(({ ieee_address }) => known.find(({ key }) => key === ieee_address) ?? [])
    const [first, ...others] = of
    const shared = (first?.attributes ?? []).filter(({ name, isEvent }) => {
      return !isEvent && others.every(({ attributes }) => attributes.some((one) => one.name === name))
    })
    known.push({ key: `group-${id}`, name: friendly_name, type: 'group', disabled: false, attributes: shared })
  }
  const addressable = known.filter(({ name }) => {
    const ok = name !== '' && !/[+#\0]/.test(name)
    if (!ok) faults.push(`${JSON.stringify(name)} is no part of a topic; rename the device`)
    return ok
  })
  if (addressable.length > DEVICES_MAX) {
    faults.push(`${addressable.length} devices; only the first ${DEVICES_MAX} are carried`)
  }
  return { entities: withIds(addressable.slice(0, DEVICES_MAX), reserved), faults }
}

/**
 * A device is called by its friendly name, as far as that is an id. Where two would be called the same, neither is: a
 * command that was meant for one must not reach the other because of a name. Such a device is called by its address.
 */
function withIds(entities: readonly Omit<Entity, 'id'>[], reserved: readonly string[]): readonly Entity[] {
  const count = new Map<string, number>(reserved.map((id) => [id, 1]))
  // Its own address is a name that each device has.
  for (const { name, key } of entities) {
    for (const id of new Set([idOf(name), idOf(key)])) count.set(id, (count.get(id) ?? 0) + 1)
  }
  return entities.map((entity) => {
    const id = idOf(entity.name)
    return { ...entity, id: isId(id) && count.get(id) === 1 ? id : idOf(entity.key) }
  })
}

/** `Küche/Decke links` is `kuche.decke-links`. May be no id at all: empty, or too long. */
export function idOf(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll('/', '.')
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|[-.]+$/g, '')
}
