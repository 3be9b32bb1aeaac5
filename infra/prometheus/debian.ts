import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

const CACHE = join(import.meta.dirname, '../../.cache/prometheus')

/**
 * Path of a program of a Debian package: of this machine, or of the package unpacked into `.cache/`. It is not installed:
 * installed it would start a server. Throws saying what is missing.
 */
export function debianProgram(name: string, debian: string): string {
  const places = ['/usr/bin', '/usr/local/bin', join(CACHE, 'usr/bin')].map((folder) => join(folder, name))
  const find = () => places.find((path) => existsSync(path))
  const found = find()
  if (found) return found
  mkdirSync(CACHE, { recursive: true })
  const get = `apt-get download -qq ${debian} || { apt-get update -qq && apt-get download -qq ${debian}; }`
  spawnSync('sh', ['-c', `{ ${get}; } && dpkg-deb -x ${debian}_*.deb . && rm ${debian}_*.deb`], {
    ...{ cwd: CACHE, stdio: 'ignore' },
  })
  const unpacked = find()
  if (unpacked) return unpacked
  throw new Error(`no ${name}: install the package ${debian} (Debian) or put it at /usr/local/bin/${name}`)
}
