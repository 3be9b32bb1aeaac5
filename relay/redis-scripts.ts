/**
 * What the directory does in Redis, a script a call: one round trip each, and nobody in between.
 *
 * `<prefix>hub:<hub>`: `<epoch>|<relay>|<start>`, the last two empty once the session ended. `<prefix>relay:<relay>`:
 * `<start>|<address>`, with a life; a start is one run of a relay. `<prefix>relays`: names, some of them dead.
 * `<prefix>beats`: how often each relay said that it lives. Channel `<prefix>moved:<relay>`:
 * `<hub>|<epoch>`, of a hub that it had.
 */
import { hash } from 'node:crypto'

/** Of a place: may `epoch` not replace it? Parts of an epoch have at most nine digits, which Lua's numbers hold exactly. */
const BELOW = `
local function below(epoch, held)
  local a, b, c = string.match(epoch, '^(%d+)%.(%d+)%.(%d+)$')
  local x, y, z = string.match(held, '^(%d+)%.(%d+)%.(%d+)$')
  if x == nil then return false end
  if tonumber(a) ~= tonumber(x) then return tonumber(a) < tonumber(x) end
  if tonumber(b) ~= tonumber(y) then return tonumber(b) < tonumber(y) end
  return tonumber(c) < tonumber(z)
end`

/**
 * KEYS: hub. ARGV: prefix of channels, hub, epoch, relay, start, life of the place in ms. The epoch that is above it, else an
 * empty text; the relay that had the hub is told.
 */
const CLAIM = `${BELOW}
local at = redis.call('GET', KEYS[1])
local mine = ARGV[3] .. '|' .. ARGV[4] .. '|' .. ARGV[5]
if at and at ~= mine then
  local held, relay = string.match(at, '^([^|]*)|([^|]*)')
  if below(ARGV[3], held) then return held end
  if relay and relay ~= '' and relay ~= ARGV[4] then redis.call('PUBLISH', ARGV[1] .. relay, ARGV[2] .. '|' .. ARGV[3]) end
end
redis.call('SET', KEYS[1], mine, 'PX', ARGV[6])
return ''`

/** KEYS: hub. ARGV: epoch, relay, start, life of the floor in ms. */
const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] .. '|' .. ARGV[2] .. '|' .. ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[1] .. '||', 'PX', ARGV[4])
end
return 1`

/** KEYS: hub. ARGV: prefix of relays. Relay, address and epoch, or nothing. */
const FIND = `
local at = redis.call('GET', KEYS[1])
if not at then return false end
local epoch, relay, start = string.match(at, '^([^|]*)|([^|]*)|(.*)$')
if not relay or relay == '' then return false end
local life = redis.call('GET', ARGV[1] .. relay)
if not life then return false end
local living, address = string.match(life, '^([^|]*)|(.*)$')
if living ~= start then return false end
return { relay, address, epoch }`

/**
 * KEYS: relay, relays, beats. ARGV: relay, start, address, life in ms, 1 at the first of a start: it takes the name, and
 * keeps it until it is silent. How often that relay did so, or -1: another start has the name.
 */
const BEAT = `
local life = redis.call('GET', KEYS[1])
if ARGV[5] ~= '1' and life and string.match(life, '^[^|]*') ~= ARGV[2] then return -1 end
redis.call('SET', KEYS[1], ARGV[2] .. '|' .. ARGV[3], 'PX', ARGV[4])
redis.call('SADD', KEYS[2], ARGV[1])
return redis.call('HINCRBY', KEYS[3], ARGV[1], 1)`

/** KEYS: relays. ARGV: prefix of relays. Names and addresses by turns. */
const RELAYS = `
local living = {}
for _, relay in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local life = redis.call('GET', ARGV[1] .. relay)
  if life then
    table.insert(living, relay)
    table.insert(living, string.match(life, '|(.*)$'))
  else
    redis.call('SREM', KEYS[1], relay)
  end
end
return living`

/** KEYS: relay, relays. ARGV: relay, start. */
const LEAVE = `
local life = redis.call('GET', KEYS[1])
if life and string.match(life, '^[^|]*') == ARGV[2] then
  redis.call('DEL', KEYS[1])
  redis.call('SREM', KEYS[2], ARGV[1])
end
return 1`

/** A script and how Redis knows it once it has seen it. */
export type RedisScript = { readonly lua: string; readonly sha: string; readonly keys: number }

const script = (lua: string, keys: number): RedisScript => ({ lua, sha: hash('sha1', lua), keys })

export const SCRIPTS = {
  claim: script(CLAIM, 1),
  release: script(RELEASE, 1),
  find: script(FIND, 1),
  beat: script(BEAT, 3),
  relays: script(RELAYS, 1),
  leave: script(LEAVE, 2),
} as const
