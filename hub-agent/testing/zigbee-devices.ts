/** Devices as zigbee2mqtt lists them on `bridge/devices`, in the form that its documentation gives; for tests and benchmarks. */

export type ZigbeeDevice = {
  readonly ieee_address: string
  readonly type: 'Router' | 'EndDevice' | 'Coordinator'
  readonly friendly_name: string
  readonly supported: boolean
  readonly disabled: boolean
  readonly definition: {
    readonly model: string
    readonly vendor: string
    readonly description: string
    readonly options: readonly unknown[]
    readonly exposes: readonly unknown[]
  } | null
  readonly power_source: string | null
  readonly interview_completed: boolean
}

const address = (n: number) => `0x00158d00${n.toString(16).padStart(8, '0')}`

function device(
  n: number,
  friendly_name: string,
  description: string,
  exposes: readonly unknown[],
  mains = true,
): ZigbeeDevice {
  return {
    ...{
      ieee_address: address(n),
      type: mains ? 'Router' : 'EndDevice',
      friendly_name,
      supported: true,
      disabled: false,
    },
    definition: { model: `TEST-${description.toUpperCase()}`, vendor: 'Test', description, options: [], exposes },
    ...{ power_source: mains ? 'Mains (single phase)' : 'Battery', interview_completed: true },
  }
}

export const coordinator: ZigbeeDevice = {
  ...{ ieee_address: address(0), type: 'Coordinator', friendly_name: 'Coordinator', supported: false, disabled: false },
  ...{ definition: null, power_source: null, interview_completed: true },
}

export const binary = (name: string, on: unknown, off: unknown, access: number, property = name) => ({
  ...{ type: 'binary', name, label: name, property, value_on: on, value_off: off, access },
})
export const numeric = (name: string, access: number, more: Readonly<Record<string, unknown>> = {}) => ({
  ...{ type: 'numeric', name, label: name, property: name, access },
  ...more,
})
export const choice = (name: string, values: readonly string[], access: number, property = name) => ({
  ...{ type: 'enum', name, label: name, property, values, access },
})
const onOff = (property = 'state') => ({ ...binary('state', 'ON', 'OFF', 7, property), value_toggle: 'TOGGLE' })
const linkquality = numeric('linkquality', 1, { unit: 'lqi', value_min: 0, value_max: 255, category: 'diagnostic' })
const battery = numeric('battery', 1, { unit: '%', value_min: 0, value_max: 100, category: 'diagnostic' })

export const lamp = (n: number, name: string) =>
  device(n, name, 'lamp', [
    {
      type: 'light',
      features: [
        onOff(),
        numeric('brightness', 7, { value_min: 0, value_max: 254 }),
        numeric('color_temp', 7, {
          ...{ unit: 'mired', value_min: 150, value_max: 500 },
          presets: [{ name: 'coolest', value: 150, description: 'Coolest temperature supported' }],
        }),
        {
          ...{ type: 'composite', name: 'color_xy', label: 'Color (X/Y)', property: 'color', access: 7 },
          features: [numeric('x', 7), numeric('y', 7)],
        },
      ],
    },
    choice('effect', ['blink', 'breathe', 'okay'], 2),
    linkquality,
  ])

export const plug = (n: number, name: string) =>
  device(n, name, 'plug', [
    { type: 'switch', features: [onOff()] },
    numeric('power', 5, { unit: 'W' }),
    numeric('energy', 5, { unit: 'kWh' }),
    linkquality,
  ])

export const twoGangs = (n: number, name: string) =>
  device(n, name, 'two gangs', [
    { type: 'switch', endpoint: 'left', features: [{ ...onOff('state_left'), endpoint: 'left' }] },
    { type: 'switch', endpoint: 'right', features: [{ ...onOff('state_right'), endpoint: 'right' }] },
  ])

export const lock = (n: number, name: string) =>
  device(
    ...([n, name, 'lock'] as const),
    [
      {
        type: 'lock',
        features: [
          binary('state', 'LOCK', 'UNLOCK', 7),
          choice('lock_state', ['not_fully_locked', 'locked', 'unlocked'], 1),
        ],
      },
      battery,
    ],
    false,
  )

export const thermostat = (n: number, name: string) =>
  device(
    ...([n, name, 'thermostat'] as const),
    [
      {
        type: 'climate',
        features: [
          numeric('occupied_heating_setpoint', 7, { unit: '°C', value_min: 5, value_max: 30, value_step: 0.5 }),
          numeric('local_temperature', 5, { unit: '°C' }),
          choice('system_mode', ['off', 'auto', 'heat'], 7),
          choice('running_state', ['idle', 'heat'], 5),
        ],
      },
      battery,
      linkquality,
    ],
    false,
  )

export const cover = (n: number, name: string) =>
  device(n, name, 'cover', [
    {
      type: 'cover',
      features: [
        choice('state', ['OPEN', 'CLOSE', 'STOP'], 3),
        numeric('position', 7, { unit: '%', value_min: 0, value_max: 100 }),
      ],
    },
  ])

export const fan = (n: number, name: string) =>
  device(n, name, 'fan', [
    { type: 'fan', features: [onOff('fan_state'), choice('mode', ['low', 'medium', 'high', 'auto'], 7, 'fan_mode')] },
  ])

export const contact = (n: number, name: string) =>
  device(n, name, 'contact', [binary('contact', false, true, 1), battery, linkquality], false)

export const motion = (n: number, name: string) =>
  device(
    n,
    name,
    'motion',
    [binary('occupancy', true, false, 1), numeric('illuminance', 1, { unit: 'lx' }), battery, linkquality],
    false,
  )

export const climate = (n: number, name: string) =>
  device(
    ...([n, name, 'climate'] as const),
    [numeric('temperature', 1, { unit: '°C' }), numeric('humidity', 1, { unit: '%' }), battery, linkquality],
    false,
  )

export const button = (n: number, name: string) =>
  device(n, name, 'button', [choice('action', ['single', 'double', 'hold'], 1), battery, linkquality], false)

/** One that zigbee2mqtt does not know. */
export const unsupported = (n: number, name: string): ZigbeeDevice => ({
  ...device(n, name, 'x', []),
  supported: false,
  definition: null,
})
