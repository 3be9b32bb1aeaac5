import { existsSync } from 'node:fs'
import { aptInstall } from '../apt.ts'

/** One program of many names: Debian's redis-tools have it, and only redis-server has the service. */
const PLACES = ['/usr/bin/redis-server', '/usr/local/bin/redis-server', '/usr/bin/redis-check-rdb']

/** Path of a program that is a Redis server when it is called `redis-server`; throws saying what is missing. */
export async function redisServer(): Promise<string> {
  const find = () => PLACES.find((path) => existsSync(path))
  await aptInstall(() => (find() ? [] : ['redis-tools']))
  const found = find()
  if (found) return found
  throw new Error('no Redis: install the package redis-tools (Debian) or put redis-server at /usr/local/bin')
}
