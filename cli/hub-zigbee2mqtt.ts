/** The options of `hearth hub` for a home behind zigbee2mqtt, and what is said of that home. */
import type { Command } from 'commander'
import { Problem } from '../contract/problem.ts'
import type { Devices } from '../hub-agent/devices.ts'
import type { HomeFact, zigbee2mqttHome } from '../hub-agent/zigbee2mqtt/home.ts'
import type { CliContext } from './context.ts'
import { processLog } from './service.ts'
import { readSetting } from './setting-file.ts'

export type ZigbeeOptions = {
  readonly zigbee2mqtt?: string
  readonly baseTopic: string
  readonly mqttUser?: string
  readonly mqttPasswordFile?: string
  readonly mqttCa?: string
  readonly groups?: boolean
  readonly unconfirmed?: readonly string[]
  readonly json?: boolean
}

export function withZigbeeOptions(command: Command): Command {
  return command
    .option(
      '--zigbee2mqtt <url>',
      'its devices are those of the zigbee2mqtt on this broker: mqtt://host:1883, mqtts://host:8883',
    )
    .option('--base-topic <topic>', 'mqtt.base_topic of zigbee2mqtt', 'zigbee2mqtt')
    .option('--mqtt-user <name>', 'user at the broker')
    .option('--mqtt-password-file <file>', 'a file with the password of that user')
    .option('--mqtt-ca <file>', "PEM of the authority of the broker's certificate")
    .option('--groups', 'carry groups of zigbee2mqtt as devices too')
    .option('--unconfirmed <device...>', 'devices that never say what they do: done is what the broker has')
}

export type BrokerOptions = Omit<Parameters<typeof zigbee2mqttHome>[0], 'name' | 'clock' | 'random' | 'notice'>

/** What the options say of the broker, its files read. Raises `invalid` for what cannot be used. */
export function brokerOptions(options: ZigbeeOptions, text: string): BrokerOptions {
  return {
    ...{ url: brokerOf(text, options.mqttUser), base: baseOf(options.baseTopic) },
    ...(options.mqttPasswordFile === undefined
      ? {}
      : { password: readSetting('--mqtt-password-file', options.mqttPasswordFile).replace(/\r?\n$/, '') }),
    ...(options.mqttCa === undefined ? {} : { ca: readSetting('--mqtt-ca', options.mqttCa) }),
    ...(options.groups === undefined ? {} : { groups: options.groups }),
    ...(options.unconfirmed === undefined ? {} : { unconfirmed: options.unconfirmed }),
  }
}

/** The home behind that broker; what happens there is told in the log, or as JSON. */
export async function zigbeeHome(
  context: Pick<CliContext, 'clock' | 'random' | 'config' | 'print'>,
  broker: BrokerOptions,
  hub: string,
  isJson = false,
): Promise<Devices> {
  const home = await import('../hub-agent/zigbee2mqtt/home.ts')
  const { clock, random } = context
  const log = processLog(context, 'hub')
  const notice = (fact: HomeFact) => {
    if (isJson) {
      context.print(JSON.stringify({ hub, ...fact }))
      return
    }
    const { fact: event, ...fields } = fact
    log[isBad(fact) ? 'warn' : 'info'](`home-${event}`, `${hub}: ${sentence(fact)}`, { hub, ...fields })
  }
  return home.zigbee2mqttHome({ ...broker, name: hub, clock, random, notice })
}

function brokerOf(text: string, user: string | undefined): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !['mqtt:', 'mqtts:'].includes(url.protocol) || url.hostname === '') {
    throw new Problem('invalid', `--zigbee2mqtt: expected mqtt://host:1883 or mqtts://host:8883, found ${text}`)
  }
  if (url.password !== '') {
    // Whoever lists the processes of this machine would read it.
    throw new Problem('invalid', '--zigbee2mqtt: a password does not belong there; give it with --mqtt-password-file')
  }
  if (user !== undefined) url.username = encodeURIComponent(user)
  return url
}

function baseOf(topic: string): string {
  if (topic !== '' && !/[+#\0]|^\/|\/$/.test(topic)) return topic
  throw new Problem('invalid', `--base-topic: expected a topic such as zigbee2mqtt, found ${JSON.stringify(topic)}`)
}

function isBad(fact: HomeFact): boolean {
  if (fact.fact === 'broker') return fact.state !== 'connected'
  if (fact.fact === 'bridge' || fact.fact === 'availability') return !fact.online
  return fact.fact === 'fault'
}

function sentence(fact: HomeFact): string {
  switch (fact.fact) {
    case 'broker':
      if (fact.state === 'connected') return `connected to the broker at ${fact.at}`
      if (fact.state === 'lost') return `lost the broker at ${fact.at}, and tries again: ${fact.reason}`
      return `the broker at ${fact.at} cannot be reached, and is tried again: ${fact.reason}`
    case 'bridge':
      return fact.online ? 'zigbee2mqtt is online' : 'zigbee2mqtt is offline: its devices cannot be reached'
    case 'bridge-version':
      return `zigbee2mqtt is of version ${fact.version}`
    case 'devices': {
      const changes = [named('new', fact.added), named('gone', fact.removed)].filter((text) => text !== '')
      return `${fact.devices} devices; ${changes.join('; ')}`
    }
    case 'availability':
      return `${fact.device} is ${fact.online ? 'online' : 'offline'}`
    case 'fault':
      return fact.message
  }
}

function named(word: string, devices: readonly string[]): string {
  const NAMED_MAX = 30
  if (devices.length === 0) return ''
  const more = devices.length > NAMED_MAX ? ` and ${devices.length - NAMED_MAX} more` : ''
  return `${word}: ${devices.slice(0, NAMED_MAX).join(', ')}${more}`
}
