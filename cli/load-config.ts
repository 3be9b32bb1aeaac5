import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type * as Yaml from 'yaml'
import type { z } from 'zod'
import { closest } from '../contract/closest.ts'
import { Problem } from '../contract/problem.ts'
import { type Config, configKeys, configSchema, isSection, variableOf } from './config.ts'

const SUGGESTIONS_MAX = 4

/** `HEARTH_…` variables that are not configuration keys. */
const OTHER_VARIABLES = [
  'HEARTH_HOME',
  'HEARTH_CONFIG',
  'HEARTH_TOKEN',
  'HEARTH_KAFKA_PASSWORD',
  'HEARTH_RECORDINGS',
  'HEARTH_REQUIRE_ALL',
]

/**
 * The configuration: defaults, then `hearth.yaml`, then `HEARTH_*` variables.
 * Looked for at `HEARTH_CONFIG`, in the working folder, then in the state folder. Raises `invalid` naming the key.
 */
export function loadConfig(home: string, environment: NodeJS.ProcessEnv, workingFolder: string): Config {
  const asked = environment.HEARTH_CONFIG
  if (asked !== undefined && !existsSync(asked))
    throw new Problem('missing', `HEARTH_CONFIG names ${asked}, which does not exist`)
  const file = [asked, join(workingFolder, 'hearth.yaml'), join(home, 'hearth.yaml')].find(
    (path) => path && existsSync(path),
  )
  const fromFile = file === undefined ? {} : parseYaml(readFileSync(file, 'utf8'), file)
  return parseConfig(mergeVariables(fromFile, environment), file ?? 'the environment', environment)
}

function parseYaml(text: string, file: string): Record<string, unknown> {
  // Only where there is such a file: a hub has none, and little memory.
  const { parseDocument }: typeof Yaml = createRequire(import.meta.url)('yaml')
  const document = parseDocument(text)
  const [error] = document.errors
  if (error) throw new Problem('invalid', `${file} is not YAML: ${error.message}`)
  const value: unknown = document.toJS() ?? {}
  if (!isSection(value))
    throw new Problem('invalid', `${file} must be a mapping of sections, as in docs/configuration.md`)
  return value
}

/** The value with `HEARTH_RELAY_APP_PORT=…` put at relay.app_port, and so on. */
function mergeVariables(value: Record<string, unknown>, environment: NodeJS.ProcessEnv): Record<string, unknown> {
  const merged = structuredClone(value)
  const keys = new Map(configKeys().map((key) => [variableOf(key.join('.')), key]))
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith('HEARTH_') || OTHER_VARIABLES.includes(variable)) continue
    const key = keys.get(variable)
    if (!key) {
      const meant = meantBy(variable, [...keys.keys(), ...OTHER_VARIABLES])
      throw new Problem(
        'invalid',
        `unknown variable ${variable}${meant.length > 0 ? `; did you mean ${meant.join(' or ')}?` : ''} (docs/configuration.md has all)`,
      )
    }
    const [section = '', name] = key
    if (name === undefined) {
      merged[section] = text
      continue
    }
    const inner = merged[section]
    merged[section] = { ...(isSection(inner) ? inner : {}), [name]: text }
  }
  return merged
}

/** Those that have every word of it and more, when they are few; else the one that is spelt most like it. */
function meantBy(variable: string, known: readonly string[]): readonly string[] {
  const words = variable.split('_')
  const longer = known.filter((name) => words.every((word) => name.split('_').includes(word)))
  if (longer.length > 0 && longer.length <= SUGGESTIONS_MAX) return longer
  const near = closest(variable, known)
  return near === undefined ? [] : [near]
}

/** What was expected, where the schema itself does not say it. */
const expectation: z.core.$ZodErrorMap = (issue) => {
  if (issue.code === 'invalid_value') return `one of ${issue.values.join(', ')}`
  if (issue.code === 'invalid_type') return issue.expected === 'object' ? 'a section with keys' : 'a text'
  return undefined
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce((at, key) => (isSection(at) ? at[key] : undefined), value)
}

/** Raises `invalid`, naming each wrong key, or the variable that set it, and the one that was probably meant. */
export function parseConfig(value: unknown, where: string, environment: NodeJS.ProcessEnv = {}): Config {
  const result = configSchema.safeParse(value, { error: expectation })
  if (result.success) return result.data
  const known = configKeys()
  const variable = (path: readonly PropertyKey[]) => variableOf(path.join('.'))
  const isSet = (path: readonly PropertyKey[]) => environment[variable(path)] !== undefined
  const nameOf = (path: readonly string[]) => (isSet(path) ? variable(path) : path.join('.') || 'the file')
  const place = result.error.issues.every(({ path }) => isSet(path)) ? 'the environment' : where
  const messages = result.error.issues.map((issue) => {
    const path = issue.path.map(String)
    if (issue.code !== 'unrecognized_keys')
      return `${nameOf(path)}: expected ${issue.message}, found ${shown(valueAt(value, path))}`
    return issue.keys
      .map((key) => {
        const siblings = known.filter((k) => path.every((part, i) => k[i] === part)).map((k) => k[path.length] ?? '')
        const suggestion = closest(key, siblings)
        return `unknown key ${[...path, key].join('.')}${suggestion ? `; did you mean ${[...path, suggestion].join('.')}?` : `; known are ${[...new Set(siblings)].join(', ')}`}`
      })
      .join('; ')
  })
  throw new Problem('invalid', `configuration in ${place}: ${[...new Set(messages)].join('; ')}`)
}

/** A wrong value as it may be told: what stands before the @ of a URL is a secret. */
function shown(value: unknown): string | undefined {
  return JSON.stringify(value)?.replace(/[^\s"]*@/g, '[secret]@')
}
