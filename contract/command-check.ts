/**
 * The same answers as the schemas of command.ts for what is well formed, at a tenth of their cost: the two messages that
 * every command brings. Undefined: ask the schema, which says what is wrong.
 */
import { ATTRIBUTE_PATTERN, type AttributeValue, type CommandRequest, type RelayBound } from './command.ts'
import {
  ATTRIBUTE_TEXT_MAX,
  COMMAND_BODY_MAX_BYTES,
  COMMAND_SET_MAX,
  DEADLINE_DEFAULT_MS,
  DEADLINE_MAX_MS,
  DEADLINE_MIN_MS,
  REASON_MAX,
} from './limits.ts'
import { ID_PATTERN } from './source.ts'

type Result = Extract<RelayBound, { type: 'result' }>

export function plainRequest(said: unknown): CommandRequest | undefined {
  if (!isObject(said)) return undefined
  const { device, set, deadline_ms = DEADLINE_DEFAULT_MS, ...rest } = said
  for (const _other in rest) return undefined
  if (typeof device !== 'string' || !ID_PATTERN.test(device)) return undefined
  if (typeof deadline_ms !== 'number' || !Number.isSafeInteger(deadline_ms)) return undefined
  if (deadline_ms < DEADLINE_MIN_MS || deadline_ms > DEADLINE_MAX_MS) return undefined
  const values = plainSet(set)
  if (!values) return undefined
  const request = { device, set: values, deadline_ms }
  return Buffer.byteLength(JSON.stringify(request)) <= COMMAND_BODY_MAX_BYTES ? request : undefined
}

function plainSet(set: unknown): Record<string, AttributeValue> | undefined {
  if (!isObject(set)) return undefined
  const entries = Object.entries(set)
  if (entries.length === 0 || entries.length > COMMAND_SET_MAX) return undefined
  const values: Record<string, AttributeValue> = {}
  for (const [name, value] of entries) {
    if (!ATTRIBUTE_PATTERN.test(name)) return undefined
    if (typeof value === 'string' ? value.length > ATTRIBUTE_TEXT_MAX : !isFlagOrNumber(value)) return undefined
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return undefined
    values[name] = value
  }
  return values
}

function isFlagOrNumber(value: unknown): boolean {
  return typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
}

export function plainResult(said: unknown): Result | undefined {
  if (!isObject(said) || said['hearth'] !== 1 || said['type'] !== 'result') return undefined
  const { command, stage, ms, reason, issued } = said
  if (typeof command !== 'string' || !isStage(stage) || typeof ms !== 'number' || !Number.isFinite(ms)) return undefined
  if (reason !== undefined && (typeof reason !== 'string' || reason.length > REASON_MAX)) return undefined
  if (issued !== undefined && (typeof issued !== 'number' || !Number.isFinite(issued))) return undefined
  return {
    ...{ hearth: 1, type: 'result', command, stage, ms },
    ...(reason !== undefined && { reason }),
    ...(issued !== undefined && { issued }),
  }
}

function isStage(value: unknown): value is Result['stage'] {
  return (
    value === 'received' ||
    value === 'executed' ||
    value === 'rejected' ||
    value === 'expired' ||
    value === 'interrupted'
  )
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
