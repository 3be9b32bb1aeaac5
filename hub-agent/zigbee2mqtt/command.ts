/** A command that was sent to a device, from then until its state has what was asked for. */
import { type Clock } from '../../contract/clock.ts'
import { type AttributeValue } from '../../contract/command.ts'
import { isProblem, Problem } from '../../contract/problem.ts'
import type { Entity } from './catalogue.ts'
import type { Attribute } from './exposes.ts'
import { ASK_AFTER_MS } from './limits.ts'

/** One attribute of a command, in zigbee2mqtt's form. */
export type Part = { readonly attribute: Attribute; readonly sent: unknown }

/**
 * What to send. Raises `invalid`, naming what the device can set and in which range. An attribute that the device never
 * publishes cannot be confirmed: it is refused unless `unconfirmed`, since nobody could say whether it happened.
 */
export function partsOf(
  entity: Entity,
  set: Readonly<Record<string, AttributeValue>>,
  unconfirmed: boolean,
): readonly Part[] {
  return Object.entries(set).map(([name, value]) => {
    const attribute = entity.attributes.find((one) => one.name === name && one.settable)
    if (!attribute) {
      const names = entity.attributes.filter(({ settable }) => settable).map((one) => one.name)
      throw new Problem('invalid', `${entity.id} cannot set ${name}; it can set ${names.join(', ') || 'nothing'}`)
    }
    if (!attribute.published && !unconfirmed) {
      const why = 'is never published, so that nothing could confirm it; name the device with --unconfirmed'
      throw new Problem('invalid', `${entity.id} ${name} ${why}`)
    }
    try {
      return { attribute, sent: attribute.write(value) }
    } catch (error) {
      if (!isProblem(error)) throw error
      throw new Problem('invalid', `${entity.id} ${name}: ${error.message}`)
    }
  })
}

/** The payload of `/set`; parts of one composite go together. */
export function payloadOf(parts: readonly Part[]): string {
  const payload: Record<string, unknown> = {}
  for (const { attribute, sent } of parts) {
    const [property, part] = attribute.path
    if (part === undefined) payload[property] = sent
    else payload[property] = { ...(isObject(payload[property]) ? payload[property] : {}), [part]: sent }
  }
  return JSON.stringify(payload)
}

/** What a state says at an attribute's place. */
export function rawOf(
  state: Readonly<Record<string, unknown>>,
  { path: [property, part] }: Pick<Attribute, 'path'>,
): unknown {
  const value = state[property]
  if (part === undefined) return value
  return isObject(value) ? value[part] : undefined
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export type Waiting = {
  /** A state that was published since. */
  heard(state: Readonly<Record<string, unknown>>): void
  fail(problem: Problem): void
}

/**
 * Resolves once each part was confirmed, by one state or by several. Rejects with the Problem that `fail` is given, or, when
 * `signal` aborts, with `unavailable`, outcome unknown. `ask` is called for attributes that are not confirmed after a while.
 */
export function confirmation(
  parts: readonly Part[],
  options: {
    readonly clock: Clock
    readonly signal: AbortSignal
    readonly device: string
    readonly ask: (attributes: readonly Attribute[]) => void
  },
): { readonly waiting: Waiting; readonly confirmed: Promise<void> } {
  const { clock, signal } = options
  const left = new Set(parts)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let cancel: () => void = () => undefined
  const settle = (act: () => void) => {
    cancel()
    signal.removeEventListener('abort', abandon)
    act()
  }
  const fail = (problem: Problem) => settle(() => reject(problem))
  const abandon = () => {
    const names = [...left].map(({ attribute }) => attribute.name).join(', ')
    fail(new Problem('unavailable', `${options.device} did not confirm ${names}`, { outcome: 'unknown' }))
  }
  const askAfter = (delay_ms: number) => {
    cancel = clock.timer(delay_ms, () => {
      const gettable = [...left].map(({ attribute }) => attribute).filter((attribute) => attribute.gettable)
      if (gettable.length > 0) options.ask(gettable)
      askAfter(delay_ms * 2)
    })
  }
  askAfter(ASK_AFTER_MS)
  if (signal.aborted) abandon()
  else signal.addEventListener('abort', abandon, { once: true })
  return {
    confirmed: promise,
    waiting: {
      heard(state) {
        for (const part of left) {
          if (part.attribute.confirms(part.sent, rawOf(state, part.attribute))) left.delete(part)
        }
        if (left.size === 0) settle(resolve)
      },
      fail,
    },
  }
}
