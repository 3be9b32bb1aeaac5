/**
 * A home behind zigbee2mqtt, at the seam to devices: its topics on the home's own broker, as its documentation has them.
 * docs/zigbee2mqtt.md says what becomes of what.
 */
import type { Clock, Random } from '../../contract/clock.ts'
import type { AttributeValue } from '../../contract/command.ts'
import { messageOf, Problem } from '../../contract/problem.ts'
import type { Devices, Report } from '../devices.ts'
import { addressOf, connectBroker } from './broker.ts'
import {
  type BridgeDevices,
  type BridgeGroups,
  type Catalogue,
  catalogueOf,
  type Entity,
  idOf,
  readDevices,
  readGroups,
} from './catalogue.ts'
import { confirmation, isObject, partsOf, payloadOf, rawOf, type Waiting } from './command.ts'
import type { Attribute } from './exposes.ts'
import { LIST_PATIENCE_MS, MESSAGE_MAX_BYTES, REMEMBERED_MS, REPEAT_MS } from './limits.ts'

export type Zigbee2mqttOptions = {
  readonly url: URL
  readonly password?: string
  readonly ca?: string
  /** `mqtt.base_topic` of zigbee2mqtt. */
  readonly base: string
  /** The hub: part of the client id. */
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  /** Also zigbee2mqtt's groups, as devices. */
  readonly groups?: boolean
  /** Devices, by Hearth's id, that never say what they do: a command is done once the broker has it. */
  readonly unconfirmed?: readonly string[]
  readonly notice?: (fact: HomeFact) => void
}

/** Notable facts, for a log. */
export type HomeFact =
  | {
      readonly fact: 'broker'
      readonly at: string
      readonly state: 'connected' | 'lost' | 'unreachable'
      readonly reason?: string
    }
  | { readonly fact: 'bridge'; readonly online: boolean }
  | { readonly fact: 'bridge-version'; readonly version: string }
  | {
      readonly fact: 'devices'
      readonly devices: number
      readonly added: readonly string[]
      readonly removed: readonly string[]
    }
  | { readonly fact: 'availability'; readonly device: string; readonly online: boolean }
  | { readonly fact: 'fault'; readonly message: string }

/** A device, and what this hub knows of it beside what zigbee2mqtt says of it. */
type Live = {
  entity: Entity
  /** What was told last, by attribute. */
  readonly told: Map<string, { readonly value: AttributeValue; readonly at_ms: number }>
  readonly waiting: Set<Waiting>
  online: boolean | undefined
  /** Of this run of zigbee2mqtt its first state was heard. */
  greeted_ms: number
}

/** Begins to connect, and keeps at it. The broker's and the bridge's faults are waited out, and told of. */
export function zigbee2mqttHome(options: Zigbee2mqttOptions): Devices {
  const { clock, base, url } = options
  const notice = options.notice ?? (() => undefined)
  const fault = (error: unknown) => notice({ fact: 'fault', message: messageOf(error) })
  const origin_ms = clock.monotonic()
  const listeners = new Set<(report: Report) => void>()
  const closing = new AbortController()
  /** The bridge is a device as well, so that apps and the lake hear when it is away. */
  const bridge = idOf(base) || 'zigbee2mqtt'
  const bridgeListed = { device: bridge, type: 'bridge', attributes: ['available'] }

  let listed: ReturnType<Devices['list']> = [bridgeListed]
  let devices: BridgeDevices | undefined
  let groups: BridgeGroups = []
  /** By what stays the same when the name changes. */
  const lives = new Map<string, Live>()
  const byTopic = new Map<string, Live>()
  let online: boolean | undefined
  let available: boolean | undefined
  let begun_ms = -Infinity
  let version = ''
  let cancelPatience: () => void = () => undefined

  const m = () => clock.monotonic() - origin_ms
  const tell = (device: string, attribute: string, value: AttributeValue, unit?: string) => {
    const report: Report = { device, attribute, value, ...(unit === undefined ? {} : { unit }), m: m() }
    for (const listener of listeners) listener(report)
  }
  /** Broker and bridge together: without either no device is reached. */
  const tellBridge = () => {
    const now = broker.connected && online === true
    if (now === available) return
    available = now
    tell(bridge, 'available', now)
  }
  const failAll = (reason: string) => {
    const problem = new Problem('unavailable', reason, { outcome: 'unknown' })
    for (const { waiting } of lives.values()) for (const one of waiting) one.fail(problem)
  }

  const topicOf = ({ name }: Entity) => `${base}/${name}`
  const availabilityOf = (topic: string) => `${topic}/availability`
  const heard = (topics: readonly string[]) => topics.flatMap((topic) => [topic, availabilityOf(topic)])

  function connected() {
    notice({ fact: 'broker', at: addressOf(url), state: 'connected' })
    cancelPatience = clock.timer(LIST_PATIENCE_MS, () => {
      if (devices) return
      const advice = 'is zigbee2mqtt running, with this base topic, and does it retain?'
      fault(new Problem('missing', `nothing was heard on ${base}/bridge/devices at ${addressOf(url)}: ${advice}`))
    })
    const own = ['state', 'info', 'devices', 'logging', ...(options.groups ? ['groups'] : [])]
    broker.subscribe(own.map((name) => `${base}/bridge/${name}`))
    broker.subscribe(heard([...byTopic.keys()]))
  }

  function disconnected(reason: string) {
    cancelPatience()
    if (!closing.signal.aborted) notice({ fact: 'broker', at: addressOf(url), state: 'lost', reason })
    // What is retained says anew how it is.
    online = undefined
    tellBridge()
    failAll('the connection to the broker was lost before the device confirmed')
  }

  /** The devices anew: what was known of one stays with it, whatever it is called now. */
  function relist() {
    if (!devices) return
    const { entities, faults }: Catalogue = catalogueOf(devices, groups, [bridge])
    for (const message of faults) notice({ fact: 'fault', message })
    const before = new Set(byTopic.keys())
    const names = new Set(listed.map(({ device }) => device))
    const present = new Set(entities.map(({ key }) => key))
    for (const [key, live] of lives) {
      if (present.has(key)) continue
      lives.delete(key)
      const gone = new Problem('unavailable', `${live.entity.id} was removed from zigbee2mqtt`, { outcome: 'unknown' })
      for (const one of live.waiting) one.fail(gone)
    }
    byTopic.clear()
    for (const entity of entities) {
      const live = lives.get(entity.key) ?? {
        entity,
        told: new Map(),
        waiting: new Set<Waiting>(),
        online: undefined,
        greeted_ms: -Infinity,
      }
      // Under another name it is told anew: to whoever listens it is another device.
      if (live.entity.id !== entity.id) live.told.clear()
      live.entity = entity
      lives.set(entity.key, live)
      byTopic.set(topicOf(entity), live)
    }
    broker.unsubscribe(heard([...before].filter((topic) => !byTopic.has(topic))))
    broker.subscribe(heard([...byTopic.keys()].filter((topic) => !before.has(topic))))
    listed = [
      bridgeListed,
      ...entities.map(({ id, type, attributes }) => {
        return { device: id, type, attributes: [...attributes.map(({ name }) => name), 'available'] }
      }),
    ]
    const now = new Set(listed.map(({ device }) => device))
    const added = [...now].filter((id) => !names.has(id))
    const removed = [...names].filter((id) => !now.has(id))
    if (added.length + removed.length > 0) notice({ fact: 'devices', devices: entities.length, added, removed })
  }

  function bridgeState(text: string, retained: boolean) {
    const now = onlineOf(text)
    if (now === undefined) return
    if (now && !retained) begun_ms = clock.monotonic()
    if (now === online) return
    online = now
    notice({ fact: 'bridge', online })
    if (!online) failAll('zigbee2mqtt went away before the device confirmed')
    tellBridge()
  }

  function bridgeInfo(json: unknown) {
    if (!isObject(json)) return
    const { config } = json
    const advanced = isObject(config) && isObject(config['advanced']) ? config['advanced'] : {}
    if (typeof json['version'] !== 'string' || json['version'] === version) return
    version = json['version']
    notice({ fact: 'bridge-version', version })
    if (advanced['output'] === 'attribute') {
      fault(new Problem('invalid', 'zigbee2mqtt publishes no JSON: set advanced.output to json or attribute_and_json'))
    }
  }

  /** Its log is the only place that says of a command that it failed; the form is that of its FAQ. */
  function bridgeLog(text: string) {
    const [, name, reason] = /Publish 'set' '[^']*' to '(.*)' failed: (.*)/s.exec(text) ?? []
    const live = name === undefined ? undefined : byTopic.get(`${base}/${name}`)
    const message = `${live?.entity.id}: zigbee2mqtt could not deliver it: ${reason?.slice(0, 150)}`
    for (const one of live?.waiting ?? []) one.fail(new Problem('unavailable', message, { outcome: 'unknown' }))
  }

  function availability(live: Live, text: string, retained: boolean) {
    const now = onlineOf(text)
    if (now === undefined || now === live.online) return
    const isNews = !retained || live.online !== undefined
    live.online = now
    const { id: device } = live.entity
    if (!now || isNews) notice({ fact: 'availability', device, online: now })
    if (isNews) tell(device, 'available', now)
  }

  /**
   * A state that was retained is no event of now; nor is what zigbee2mqtt remembers of each device when it starts, unless it
   * differs from what was told. Either is known from then on.
   */
  function state(live: Live, json: unknown, retained: boolean) {
    if (!isObject(json)) return
    const now_ms = clock.monotonic()
    const isRemembered = live.greeted_ms < begun_ms && now_ms - begun_ms < REMEMBERED_MS
    if (!retained) {
      live.greeted_ms = now_ms
      for (const one of live.waiting) one.heard(json)
    }
    for (const { name, isEvent, unit, ...attribute } of live.entity.attributes) {
      const value = attribute.read(rawOf(json, attribute))
      if (value === undefined || (isEvent && retained)) continue
      const before = live.told.get(name)
      if (!isEvent) {
        if (before && (retained || (before.value === value && now_ms - before.at_ms < REPEAT_MS))) continue
        if (before?.value === value && isRemembered) continue
      }
      live.told.set(name, { value, at_ms: now_ms })
      if (isEvent || before || !(retained || isRemembered)) tell(live.entity.id, name, value, unit)
    }
  }

  function message(topic: string, payload: Buffer, retained: boolean) {
    // An empty one takes away what was retained, as after a removal.
    if (payload.length === 0) return
    if (payload.length > MESSAGE_MAX_BYTES) {
      throw new Problem('limit', `${topic}: ${payload.length} bytes, of ${MESSAGE_MAX_BYTES} at most`)
    }
    if (topic === `${base}/bridge/state`) bridgeState(payload.toString(), retained)
    else if (topic === `${base}/bridge/info`) bridgeInfo(jsonOf(topic, payload))
    else if (topic === `${base}/bridge/logging`) {
      if (payload.includes('failed:')) bridgeLog(messageIn(jsonOf(topic, payload)))
    } else if (topic === `${base}/bridge/devices`) {
      devices = readDevices(jsonOf(topic, payload))
      relist()
    } else if (topic === `${base}/bridge/groups`) {
      groups = readGroups(jsonOf(topic, payload))
      relist()
    } else {
      const live = byTopic.get(topic)
      if (live) {
        state(live, jsonOf(topic, payload), retained)
        return
      }
      const of = topic.endsWith('/availability') ? byTopic.get(topic.slice(0, -'/availability'.length)) : undefined
      if (of) availability(of, payload.toString(), retained)
    }
  }

  const broker = connectBroker({
    ...options,
    signal: closing.signal,
    connected,
    disconnected,
    unreachable(reason) {
      notice({ fact: 'broker', at: addressOf(url), state: 'unreachable', reason })
      tellBridge()
    },
    message(topic, payload, retained) {
      try {
        message(topic, payload, retained)
      } catch (error) {
        fault(error)
      }
    },
    fault,
  })

  function find(device: string): Live {
    if (!devices) throw new Problem('unavailable', notReached() ?? 'zigbee2mqtt has not yet said which devices it has')
    for (const live of lives.values()) if (live.entity.id === device) return live
    const known = [...lives.values()].map(({ entity }) => entity.id)
    throw new Problem('invalid', `this hub has no ${device}; it has ${known.join(', ') || 'none at all'}`)
  }
  const notReached = () => {
    if (!broker.connected) return `no connection to the broker at ${addressOf(url)}`
    return online === true ? undefined : 'zigbee2mqtt is offline'
  }
  function reachable({ entity: { id, disabled }, online }: Live): void {
    const reason =
      notReached() ??
      (disabled ? `${id} is disabled in zigbee2mqtt` : online === false ? `${id} is offline` : undefined)
    if (reason !== undefined) throw new Problem('unavailable', reason)
  }

  return {
    list: () => listed,
    subscribe(callback) {
      listeners.add(callback)
      // What was heard before anybody listened was told to nobody.
      if (available !== undefined) callback({ device: bridge, attribute: 'available', value: available, m: m() })
      return () => listeners.delete(callback)
    },
    async actuate(device, set, signal) {
      const live = find(device)
      const isTrusted = options.unconfirmed?.includes(device) ?? false
      const parts = partsOf(live.entity, set, isTrusted)
      reachable(live)
      const topic = topicOf(live.entity)
      if (isTrusted) {
        await broker.publish(`${topic}/set`, payloadOf(parts))
        return
      }
      const ask = (attributes: readonly Attribute[]) => {
        const asked = Object.fromEntries(attributes.map(({ path: [property] }) => [property, '']))
        broker.publish(`${topicOf(live.entity)}/get`, JSON.stringify(asked)).catch(() => undefined)
      }
      const { waiting, confirmed } = confirmation(parts, { clock, signal, device, ask })
      // Before it is sent: the answer may be here before the broker's.
      live.waiting.add(waiting)
      broker.publish(`${topic}/set`, payloadOf(parts)).catch((error: unknown) => {
        waiting.fail(
          error instanceof Problem ? error : new Problem('unavailable', messageOf(error), { outcome: 'unknown' }),
        )
      })
      try {
        await confirmed
      } finally {
        live.waiting.delete(waiting)
      }
    },
    async close() {
      listeners.clear()
      cancelPatience()
      failAll('the hub stopped before the device confirmed')
      closing.abort()
      await broker.done
    },
  }
}

/** `online`, or since version 2 always `{"state":"online"}`; undefined for anything else. */
function onlineOf(text: string): boolean | undefined {
  const word = /^\s*(?:\{\s*"state"\s*:\s*)?"?(online|offline)"?\s*\}?\s*$/.exec(text)?.[1]
  return word === undefined ? undefined : word === 'online'
}

function messageIn(json: unknown): string {
  return isObject(json) && typeof json['message'] === 'string' ? json['message'] : ''
}

function jsonOf(topic: string, payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString())
  } catch (error) {
    throw new Problem('invalid', `${topic} is not JSON: ${messageOf(error)}`, { cause: error })
  }
}
