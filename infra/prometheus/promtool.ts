import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

const CACHE = join(import.meta.dirname, '../../.cache/prometheus')
const PLACES = ['/usr/bin/promtool', '/usr/local/bin/promtool', join(CACHE, 'usr/bin/promtool')]

/**
 * Path of a promtool. Debian's package is unpacked into `.cache/` and not installed: installed it would start a server.
 * Throws saying what is missing.
 */
export function promtool(): string {
  const found = PLACES.find((path) => existsSync(path))
  if (found) return found
  mkdirSync(CACHE, { recursive: true })
  const get = 'apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }'
  spawnSync('sh', ['-c', `{ ${get}; } && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb`], {
    ...{ cwd: CACHE, stdio: 'ignore' },
  })
  const unpacked = PLACES.find((path) => existsSync(path))
  if (unpacked) return unpacked
  throw new Error('no promtool: install the package prometheus (Debian) or put it at /usr/local/bin/promtool')
}

/** Runs promtool on `input`; throws with all that it said unless it is content. */
export function runPromtool(words: readonly string[], cwd: string, input = ''): string {
  const { status, stdout, stderr } = spawnSync(promtool(), words, { cwd, input, encoding: 'utf8' })
  if (status !== 0) throw new Error(`promtool ${words.join(' ')} exited with ${status}:\n${stdout}${stderr}`)
  return stdout
}
