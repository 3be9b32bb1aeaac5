import { readFileSync } from 'node:fs'

/** The package's version: beside this file in a checkout, one folder further up in the emitted code. */
export function version(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const value: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
      if (typeof value === 'object' && value !== null && 'version' in value) return String(value.version)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
  return 'unknown'
}
