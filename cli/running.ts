import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from '../contract/problem.ts'
import type { CliContext } from './context.ts'

/** A fact that a running process wrote down in `run/<name>.json`. Raises `unavailable` when it does not run here. */
export function runningFact({ home }: Pick<CliContext, 'home'>, name: string, fact: string): string {
  const path = join(home, 'run', `${name}.json`)
  if (existsSync(path)) {
    const facts: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof facts === 'object' && facts !== null) {
      const value = new Map(Object.entries(facts)).get(fact)
      if (typeof value === 'string') return value
    }
  }
  throw new Problem(
    'unavailable',
    `${name} does not run on ${home}: start it with hearth up, or name another with --relay or HEARTH_HOME`,
  )
}

/** The token to act with: of a file, of HEARTH_TOKEN, or of this installation. Raises `unauthorized`. */
export function localToken({ home }: Pick<CliContext, 'home'>, file?: string): string {
  if (file !== undefined) {
    if (!existsSync(file)) throw new Problem('missing', `the token file ${file} does not exist`)
    return readFileSync(file, 'utf8').trim()
  }
  const given = process.env['HEARTH_TOKEN']
  if (given) return given
  const path = join(home, 'run', 'token')
  if (existsSync(path)) return readFileSync(path, 'utf8').trim()
  throw new Problem('unauthorized', `no token: hearth up makes one in ${path}; else give --token-file or HEARTH_TOKEN`)
}
