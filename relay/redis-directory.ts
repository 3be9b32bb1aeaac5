/** The directory in Redis (redis-scripts.ts has what is kept there). It is never waited for: away, it is told at once. */
import type { Redis } from 'ioredis'
import { type Clock, type Random, randomHex } from '../contract/clock.ts'
import { messageOf, Problem, type ProblemOutcome } from '../contract/problem.ts'
import { type RedisPlace, redisAddress, redisTrouble } from '../contract/redis-place.ts'
import { parseEpoch } from '../contract/source.ts'
import { backOff_ms } from '../link/back-off.ts'
import type { Claim, Directory, HubPlace, RelayPlace } from './directory.ts'
import {
  CLUSTER_BACK_OFF,
  DIRECTORY_ANSWER_MAX_MS,
  DIRECTORY_BEAT_MS,
  DIRECTORY_LIFE_MS,
  DIRECTORY_PLACE_MS,
} from './limits.ts'
import { type RedisScript, SCRIPTS } from './redis-scripts.ts'

export type RedisDirectoryOptions = {
  readonly fleet: string
  /** This relay, and where others reach it. */
  readonly self: RelayPlace
  readonly redis: RedisPlace
  readonly clock: Clock
  readonly random: Random
  /** Redis is away, from now on; or it never was there. */
  readonly lost?: (problem: Problem) => void
  /** It is there (again). */
  readonly found?: () => void
  /** Something that heals by nobody's doing: another process has this relay's name. */
  readonly fault: (error: unknown) => void
}

export type RedisDirectory = Directory & {
  /** Why it cannot be asked now; undefined while it can. */
  readonly away: string | undefined
  /** Calls that raised `unavailable`. */
  readonly errors: number
}

type Listener = Parameters<Directory['watch']>[0]

/** Connects in the background, and again with back-off and jitter until it is closed: who starts needs no Redis. */
export async function openRedisDirectory(options: RedisDirectoryOptions): Promise<RedisDirectory> {
  const { fleet, self, clock, random, fault } = options
  const { Redis } = await import('ioredis')
  const key = keysOf(fleet)
  /** This run of the relay: what an earlier one has there is nobody's. */
  const start = randomHex(random, 8)
  const listeners = new Set<Listener>()
  let away: string | undefined = 'not reached yet'
  let told = false
  let errors = 0
  let closed = false
  let last = 'no answer'
  /** Has this start taken its name, and how often it had said that it lives, as Redis counted. */
  let named = false
  let beats = 0
  let cancelBeat: (() => void) | undefined

  const redis: Redis = new Redis({
    ...redisAddress(options.redis),
    // One connection for questions and news: when one of them is lost, so is the other.
    protocol: 3,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    maxLoadingRetryTime: CLUSTER_BACK_OFF.cap_ms,
    connectTimeout: DIRECTORY_ANSWER_MAX_MS,
    commandTimeout: DIRECTORY_ANSWER_MAX_MS,
    retryStrategy: (times) => backOff_ms(times, random.float(), CLUSTER_BACK_OFF),
  })

  const lose = (error: unknown) => {
    if (closed) return
    const problem = unavailable(options.redis, error)
    away = problem.message
    if (told) return
    told = true
    options.lost?.(problem)
  }

  // Its status tells of a lost connection only with the next turn.
  const isOpen = () => redis.status === 'ready' && redis.stream.writable

  async function run(script: RedisScript, ...words: readonly (string | number)[]): Promise<unknown> {
    if (!isOpen()) throw new Error(last)
    try {
      return await redis.evalsha(script.sha, script.keys, ...words)
    } catch (error) {
      if (!/NOSCRIPT/.test(messageOf(error))) throw error
      return await redis.eval(script.lua, script.keys, ...words)
    }
  }

  /** Raises `unavailable`. Who does not answer is asked by a new connection: until that stands, all else fails at once. */
  async function ask(script: RedisScript, ...words: readonly (string | number)[]): Promise<unknown> {
    const sent = isOpen()
    try {
      return await run(script, ...words)
    } catch (error) {
      errors++
      const problem = unavailable(options.redis, error, sent ? 'unknown' : 'did-not-happen')
      lose(error)
      reconnectAfter(error)
      throw problem
    }
  }

  function reconnectAfter(error: unknown) {
    // Not `disconnect`, which waits for the other side to close too.
    if (isOpen() && /timed out/.test(messageOf(error))) redis.stream.destroy()
  }

  /** True when the directory still knew this start as it did the last time. */
  async function beat(): Promise<boolean> {
    const first = named ? 0 : 1
    const words = [
      key.relay + self.relay,
      key.relays,
      key.beats,
      self.relay,
      start,
      self.address,
      DIRECTORY_LIFE_MS,
      first,
    ]
    const count = Number(await run(SCRIPTS.beat, ...words))
    if (count === -1) {
      fault(
        new Problem(
          'conflict',
          `another process of this fleet serves as ${self.relay} too: give each relay its own name in relay.source`,
        ),
      )
      return true
    }
    // Emptied, or as old as a copy: it has counted less than it had before.
    const known = named && count > beats
    named = true
    beats = count
    return known
  }

  /** Says that this relay lives; first of all on a new connection, which may lead to another server. False when that failed. */
  async function look(fresh: boolean): Promise<boolean> {
    try {
      if (fresh) await redis.subscribe(key.moved + self.relay)
      const known = await beat()
      if (closed) return true
      away = undefined
      if (told || fresh) options.found?.()
      told = false
      if (fresh || !known) for (const listener of listeners) listener.anew()
      return true
    } catch (error) {
      lose(error)
      reconnectAfter(error)
      return false
    }
  }

  /** One look at a time, and the next one so long after it. */
  function lookNow(fresh: boolean): void {
    if (closed) return
    const mine = redis.stream
    look(fresh).then((isWell) => {
      if (closed || redis.stream !== mine || redis.status !== 'ready') return
      // A replica, or a server that is full, may be another one the next time: the name leads there.
      const next = () => (isWell ? lookNow(false) : redis.stream.destroy())
      cancelBeat = clock.timer(DIRECTORY_BEAT_MS, next)
    }, fault)
  }

  redis.on('error', (error: Error) => {
    last = messageOf(error)
  })
  redis.on('ready', () => lookNow(true))
  redis.on('close', () => {
    cancelBeat?.()
    lose(new Error(last))
  })
  redis.on('message', (_channel: string, text: string) => {
    const [hub = '', epoch = ''] = text.split('|')
    for (const listener of listeners) listener.moved(hub, epoch)
  })

  return {
    get away() {
      return away
    },
    get errors() {
      return errors
    },
    async claim(hub, epoch): Promise<Claim> {
      const words = [key.hub(hub), key.moved, hub, epochText(epoch), self.relay, start, DIRECTORY_PLACE_MS]
      const held = await ask(SCRIPTS.claim, ...words)
      return held === '' ? { held: true } : { held: false, epoch: epochText(String(held)) }
    },
    async release(hub, epoch) {
      await ask(SCRIPTS.release, key.hub(hub), epochText(epoch), self.relay, start, DIRECTORY_PLACE_MS)
    },
    async find(hub): Promise<HubPlace | undefined> {
      const found = await ask(SCRIPTS.find, key.hub(hub), key.relay)
      if (!Array.isArray(found)) return undefined
      const [relay, address, epoch] = found.map(String)
      if (relay === undefined || address === undefined || epoch === undefined) return undefined
      return { relay, address, epoch }
    },
    async relays() {
      const found = await ask(SCRIPTS.relays, key.relays, key.relay)
      return placesOf(found)
    },
    watch(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    async close() {
      closed = true
      cancelBeat?.()
      listeners.clear()
      try {
        await run(SCRIPTS.leave, key.relay + self.relay, key.relays, self.relay, start)
      } catch {
        // Away, it forgets this relay by itself.
      }
      redis.disconnect()
    },
  }
}

function placesOf(found: unknown): readonly RelayPlace[] {
  const words = Array.isArray(found) ? found.map(String) : []
  const places: RelayPlace[] = []
  for (let i = 0; i + 1 < words.length; i += 2) places.push({ relay: words[i] ?? '', address: words[i + 1] ?? '' })
  return places
}

function keysOf(fleet: string) {
  const prefix = `hearth:${fleet}:`
  return {
    hub: (hub: string) => `${prefix}hub:${hub}`,
    relay: `${prefix}relay:`,
    relays: `${prefix}relays`,
    beats: `${prefix}beats`,
    moved: `${prefix}moved:`,
  }
}

function unavailable(place: RedisPlace, error: unknown, outcome: ProblemOutcome = 'did-not-happen'): Problem {
  const text = redisTrouble('the directory', place, messageOf(error), 'relay.directory')
  return new Problem('unavailable', text, { cause: error, outcome })
}

/** The relays that live, as somebody sees it who is none. Raises `unavailable`. */
export async function lookAtDirectory(place: RedisPlace, fleet: string): Promise<readonly RelayPlace[]> {
  const { Redis } = await import('ioredis')
  const limits = { connectTimeout: DIRECTORY_ANSWER_MAX_MS, commandTimeout: DIRECTORY_ANSWER_MAX_MS }
  const redis = new Redis({ ...redisAddress(place), ...limits, lazyConnect: true, retryStrategy: null })
  let last: unknown
  redis.on('error', (error) => {
    last = error
  })
  const key = keysOf(fleet)
  try {
    await redis.connect()
    return placesOf(await redis.eval(SCRIPTS.relays.lua, SCRIPTS.relays.keys, key.relays, key.relay))
  } catch (error) {
    throw unavailable(place, last ?? error)
  } finally {
    redis.disconnect()
  }
}

/** Epochs are compared as they are written: a bad one never goes there. Raises `invalid`. */
function epochText(epoch: string): string {
  parseEpoch(epoch)
  return epoch
}
