import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Flags for a headless browser that speaks to this machine only. */
export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

/** Path of a Chromium, installed from Debian's packages where that is possible; throws saying what is missing. */
export function chromium(): string {
  const found = PLACES.find((path) => existsSync(path))
  if (found) return found
  spawnSync('sh', ['-c', 'apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium'], {
    stdio: 'ignore',
  })
  const installed = PLACES.find((path) => existsSync(path))
  if (installed) return installed
  throw new Error('no Chromium: install the package chromium (Debian) or put it at /usr/bin/chromium')
}
