/**
 * What a device exposes to zigbee2mqtt, as attributes of Hearth: the table of docs/zigbee2mqtt.md. Pure.
 * The form is that of zigbee2mqtt's documentation, "Exposes": generic types are leaves, specific ones (light, lock, …)
 * and composites have features.
 */
import { z } from 'zod'
import { type AttributeValue, attributeValue } from '../../contract/command.ts'
import { Problem } from '../../contract/problem.ts'
import { ATTRIBUTES_MAX, TEXT_MAX } from './limits.ts'

export type Attribute = {
  /** As Hearth calls it: `powered`, `brightness`, `setpoint`. */
  readonly name: string
  /** Where the state has it: a property, or a property of a composite. */
  readonly path: readonly [property: string, part?: string]
  readonly unit?: string
  /** In the published state; settable; to be asked for: the three bits of `access`. */
  readonly published: boolean
  readonly settable: boolean
  readonly gettable: boolean
  /** It happens, as a button that is pressed; what is the same twice happened twice. */
  readonly isEvent: boolean
  /** What the state says, in Hearth's form; undefined where it says nothing that can be carried. */
  read(raw: unknown): AttributeValue | undefined
  /** What to send. Raises `invalid`, saying what was expected. */
  write(value: AttributeValue): unknown
  /** Does the state `raw` have what was sent? */
  confirms(sent: unknown, raw: unknown): boolean
}

type Form = Pick<Attribute, 'read' | 'write' | 'confirms'>

/** A detail of another form than the documented one is as if it were not there: the rest of the device is carried. */
const words = z.string().optional().catch(undefined)
const figure = z.number().optional().catch(undefined)

const own = {
  type: z.string(),
  ...{ name: words, property: words, unit: words, access: figure },
  ...{ value_on: z.unknown().optional(), value_off: z.unknown().optional(), presets: z.unknown().optional() },
  ...{ value_min: figure, value_max: figure, value_step: figure },
  values: z
    .array(z.union([z.string(), z.number(), z.boolean()]))
    .optional()
    .catch(undefined),
}
export type Expose = z.infer<z.ZodObject<typeof own>> & { readonly features?: readonly Expose[] | undefined }
const expose: z.ZodType<Expose> = z.object({ ...own, features: z.lazy(() => z.array(expose)).optional() })

/** Attributes of a device, in its order; what has no form here is left out, and told of in `faults`. */
export function attributesOf(exposes: readonly unknown[]): {
  readonly attributes: readonly Attribute[]
  readonly faults: readonly string[]
} {
  const found = new Map<string, Attribute>()
  const faults: string[] = []
  for (const one of exposes) {
    const parsed = expose.safeParse(one)
    if (!parsed.success) faults.push(`an expose that this hub cannot read: ${z.prettifyError(parsed.error)}`)
    else
      for (const attribute of leavesOf(parsed.data))
        if (!found.has(attribute.name)) found.set(attribute.name, attribute)
  }
  if (found.size > ATTRIBUTES_MAX) faults.push(`${found.size} attributes; only the first ${ATTRIBUTES_MAX} are carried`)
  return { attributes: [...found.values()].slice(0, ATTRIBUTES_MAX), faults }
}

const GENERIC = ['binary', 'numeric', 'enum', 'text', 'list']

function leavesOf(one: Expose, specific?: string): readonly Attribute[] {
  if (GENERIC.includes(one.type)) return leaf(one, specific)
  const property = one.property ?? one.name
  if (one.type === 'composite' && property !== undefined) {
    return (one.features ?? []).flatMap((part) => leaf(part, specific, property))
  }
  return (one.features ?? []).flatMap((feature) => leavesOf(feature, one.type))
}

function leaf(one: Expose, specific?: string, within?: string): readonly Attribute[] {
  const property = one.property ?? one.name
  const form = formOf(one, specific, within)
  if (property === undefined || !form) return []
  const own = nameOf(one, specific)
  // `state_left` is `powered_left`, and `fan_state` is `fan_powered`.
  const renamed = own === undefined ? property : property.replace(one.name ?? property, own)
  const access = one.access ?? 1
  const unit = isPercent(one, specific) ? '%' : one.unit
  return [
    {
      name: attributeName(within === undefined ? renamed : `${within}_${property}`),
      path: within === undefined ? [property] : [within, property],
      ...(unit ? { unit } : {}),
      published: (access & 1) !== 0,
      settable: (access & 2) !== 0 && one.type !== 'list',
      gettable: (access & 4) !== 0,
      isEvent: property === 'action',
      ...form,
    },
  ]
}

/** Hearth's own word for what zigbee2mqtt calls otherwise. */
function nameOf(one: Expose, specific: string | undefined): string | undefined {
  const { name } = one
  if (name === 'state') {
    if (specific === 'lock') return 'locked'
    if (specific === 'cover') return 'open'
    return specific === undefined ? undefined : 'powered'
  }
  if (specific === 'climate') {
    if (name === 'local_temperature') return 'temperature'
    if (name === 'occupied_heating_setpoint' || name === 'current_heating_setpoint') return 'setpoint'
    if (name === 'running_state' && heatsOnly(one)) return 'heating'
  }
  if (one.type === 'binary' && name === 'contact') return 'open'
  if (one.type === 'binary' && name === 'occupancy') return 'motion'
  return undefined
}

const heatsOnly = ({ values = [] }: Expose) => values.every((value) => value === 'idle' || value === 'heat')

/** A light's brightness, 0 to 254, is 0 to 100 % here. */
const isPercent = (one: Expose, specific: string | undefined) =>
  specific === 'light' && one.type === 'numeric' && one.name === 'brightness'

function formOf(one: Expose, specific: string | undefined, within: string | undefined): Form | undefined {
  if (isPercent(one, specific)) return percent(one.value_max ?? 254)
  if (specific === 'cover' && one.name === 'state') return opening(one)
  switch (one.type) {
    case 'binary':
      // Contact is made when it is closed.
      return one.name === 'contact'
        ? flag({ on: false, off: true })
        : flag({ on: one.value_on ?? true, off: one.value_off ?? false })
    case 'numeric':
      return numeric(one, within)
    case 'enum':
      return specific === 'climate' && one.name === 'running_state' && heatsOnly(one)
        ? flag({ on: 'heat', off: 'idle' })
        : choice(one.values ?? [])
    case 'text':
      return text()
    case 'list':
      return list()
    default:
      return undefined
  }
}

const same = (sent: unknown, raw: unknown) => sent === raw
const expected = (what: string, found: AttributeValue) =>
  new Problem('invalid', `expected ${what}, found ${JSON.stringify(found)}`)

function flag({ on, off }: { readonly on: unknown; readonly off: unknown }): Form {
  return {
    read: (raw) => (raw === on ? true : raw === off ? false : undefined),
    write(value) {
      if (value === true || value === 1) return on
      if (value === false || value === 0) return off
      throw expected('true, false, 1 or 0', value)
    },
    confirms: same,
  }
}

/** A cover: `open` is OPEN or CLOSE, and `"stop"` where it can stop; that is confirmed by whatever it says next. */
function opening({ values = [] }: Expose): Form {
  const stops = values.includes('STOP')
  const { read, write } = flag({ on: 'OPEN', off: 'CLOSE' })
  return {
    read,
    write(value) {
      if (stops && typeof value === 'string' && value.toLowerCase() === 'stop') return 'STOP'
      if (typeof value === 'string') throw expected(`true, false${stops ? ', 1, 0 or "stop"' : ', 1 or 0'}`, value)
      return write(value)
    },
    confirms: (sent, raw) => (sent === 'STOP' ? raw !== undefined : sent === raw),
  }
}

function percent(max: number): Form {
  return {
    read: (raw) => (typeof raw === 'number' ? Math.round((raw * 1000) / max) / 10 : undefined),
    write(value) {
      if (typeof value === 'number' && value >= 0 && value <= 100) return Math.round((value * max) / 100)
      throw expected('0 to 100 (%)', value)
    },
    // Some lamps keep it a step beside what was asked.
    confirms: (sent, raw) => near(sent, raw, 1),
  }
}

function numeric(one: Expose, within: string | undefined): Form {
  const { value_min: min, value_max: max, value_step: step, unit } = one
  const presets = presetsOf(one.presets)
  const range =
    min !== undefined && max !== undefined
      ? `${min} to ${max}`
      : min !== undefined
        ? `${min} or more`
        : `${max} or less`
  const what = min === undefined && max === undefined ? 'a number' : `${range}${unit ? ` (${unit})` : ''}`
  /** Half a step; of a colour, which lamps round to what they can show, a hundredth. */
  const tolerance = step !== undefined ? step / 2 : within === 'color' ? ((one.name ?? '').length === 1 ? 0.01 : 2) : 0
  return {
    read: (raw) => (typeof raw === 'number' && Number.isFinite(raw) ? raw : undefined),
    write(value) {
      const fits = typeof value === 'number' && value >= (min ?? -Infinity) && value <= (max ?? Infinity)
      if (fits || (typeof value === 'number' && presets.includes(value))) return value
      throw expected(what, value)
    },
    confirms: (sent, raw) => near(sent, raw, tolerance),
  }
}

function near(sent: unknown, raw: unknown, tolerance: number): boolean {
  return typeof sent === 'number' && typeof raw === 'number' && Math.abs(sent - raw) <= tolerance
}

/** Values outside the range that mean something of their own. */
function presetsOf(presets: unknown): readonly number[] {
  const parsed = z.array(z.object({ value: z.unknown() })).safeParse([presets].flat())
  return parsed.success ? parsed.data.flatMap(({ value }) => (typeof value === 'number' ? [value] : [])) : []
}

function choice(values: readonly (string | number | boolean)[]): Form {
  const word = (value: AttributeValue) => String(value).toLowerCase()
  return {
    read: scalar,
    write(value) {
      const found = values.find((one) => one === value) ?? values.find((one) => word(one) === word(value))
      if (found !== undefined) return found
      throw expected(`one of ${values.join(', ')}`, value)
    },
    confirms: same,
  }
}

function text(): Form {
  return {
    read: scalar,
    write(value) {
      if (typeof value === 'string') return value
      throw expected('a text', value)
    },
    confirms: same,
  }
}

/** Told as JSON, where that is short enough; not to be set. */
function list(): Form {
  return {
    read: (raw) => (raw === undefined || raw === null ? undefined : scalar(JSON.stringify(raw))),
    write: (value) => {
      throw expected('nothing: a list cannot be set', value)
    },
    confirms: same,
  }
}

function scalar(raw: unknown): AttributeValue | undefined {
  const parsed = attributeValue.safeParse(raw)
  return parsed.success && raw !== '' ? parsed.data : undefined
}

/** As commands may call it (contract/command.ts): a–z, 0–9 and `_`, beginning with a letter, 32 at most. */
function attributeName(property: string): string {
  const plain = property.toLowerCase().replace(/[^a-z0-9_]/g, '_')
  return (/^[a-z]/.test(plain) ? plain : `x_${plain}`).slice(0, TEXT_MAX.attribute)
}

/** What kind of device it is, by what it exposes. */
export function deviceType(exposes: readonly unknown[], attributes: readonly Attribute[]): string {
  const types = exposes.flatMap((one) => {
    const parsed = z.object({ type: z.string() }).safeParse(one)
    return parsed.success ? [parsed.data.type] : []
  })
  const has = (name: string) => attributes.some((attribute) => attribute.name === name)
  if (types.includes('light')) return 'lamp'
  if (types.includes('climate')) return 'thermostat'
  for (const specific of ['lock', 'cover', 'fan', 'switch']) if (types.includes(specific)) return specific
  if (has('open')) return 'contact'
  if (has('motion') || has('presence')) return 'motion'
  if (has('action')) return 'remote'
  if (has('temperature') || has('humidity')) return 'climate'
  return has('power') || has('energy') ? 'meter' : 'sensor'
}
