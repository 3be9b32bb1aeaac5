import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { alone } from '../alone.ts'

const run = promisify(execFile)
/** One program of many names: Debian's redis-tools have it, and only redis-server has the service. */
const PLACES = ['/usr/bin/redis-server', '/usr/local/bin/redis-server', '/usr/bin/redis-check-rdb']
const INSTALL = 'apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-tools'

/** Path of a program that is a Redis server when it is called `redis-server`; throws saying what is missing. */
export async function redisServer(): Promise<string> {
  const find = () => PLACES.find((path) => existsSync(path))
  // It fails where we are not root, or there is no such package.
  if (!find()) await alone('apt', async () => find() ?? (await run('sh', ['-c', INSTALL]).catch(() => undefined)))
  const found = find()
  if (found) return found
  throw new Error('no Redis: install the package redis-tools (Debian) or put redis-server at /usr/local/bin')
}
