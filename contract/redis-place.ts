/** Where a Redis is, and what its refusals mean. */
import { hostOf } from './host.ts'

export type RedisPlace = {
  /** `redis://[user[:password]@]host[:port][/db]`, or `rediss://` for TLS. Never told: `placeText` is. */
  readonly url: string
  /** In place of one in the URL. */
  readonly password?: string | undefined
  /** PEM of the CA that signed its certificate; the system's own unless given. */
  readonly ca?: string | undefined
}

const PORT = 6379

/** Where it is, without secrets. */
export function placeText({ url }: Pick<RedisPlace, 'url'>): string {
  const { protocol, hostname, port, pathname } = new URL(url)
  return `${protocol}//${hostname}:${port || PORT}${pathname === '/' ? '' : pathname}`
}

/** The place as options of ioredis. */
export function redisAddress(place: RedisPlace) {
  const url = new URL(place.url)
  const { protocol, port, pathname, username, password } = url
  return {
    host: hostOf(url),
    port: Number(port || PORT),
    db: Number(pathname.slice(1)),
    ...(username !== '' && { username: decodeURIComponent(username) }),
    password: place.password ?? (password === '' ? undefined : decodeURIComponent(password)),
    ...(protocol === 'rediss:' && { tls: place.ca === undefined ? {} : { ca: place.ca } }),
  }
}

/** That `what`, which is in a Redis, cannot be used: why, and what to do. `setting` is the key that says where it is. */
export function redisTrouble(what: string, place: Pick<RedisPlace, 'url'>, reason: string, setting: string): string {
  const advice = adviceOn(reason, setting)
  return `${what} ${placeText(place)} cannot be used: ${reason}${advice === undefined ? '' : `: ${advice}`}`
}

/** What to do about `reason`, an error of Redis or of the way to it. */
function adviceOn(reason: string, setting: string): string | undefined {
  const advice: readonly (readonly [RegExp, string])[] = [
    [/NOAUTH|WRONGPASS|invalid password/i, `correct the password of ${setting}, or ${setting}_password_file`],
    [/NOPERM/, 'its user needs all commands on keys and channels that begin with hearth:'],
    [/altnames/, `its certificate is for another name: use that one in ${setting}`],
    [/certificate/i, `set ${setting}_ca_file to the CA that signed its certificate`],
    [/wrong version number|packet length|EPROTO/i, `it speaks no TLS there: check rediss:// or redis:// of ${setting}`],
    [/READONLY/, `it is a replica: name the primary in ${setting}`],
    [/MOVED|CLUSTERDOWN/, `it is part of a cluster: name a Redis of its own in ${setting}`],
    [/OOM/, 'it is full: give it more memory'],
  ]
  return advice.find(([pattern]) => pattern.test(reason))?.[1]
}
