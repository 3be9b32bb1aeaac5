import { Problem } from '../contract/problem.ts'
import { UNIT_TAG } from '../lake/conflict.ts'
import type { Made, Task } from './calculate.ts'
import { dayOf } from './day.ts'
import type { Unit } from './plan.ts'

/**
 * A task as tasks that can be made beside each other, `most` at most and about equally large. A file holds a bucket's day, so
 * that no two parts write the same one; where hours carry, a bucket's days follow from each other and stay together.
 */
export function partsOf<T extends Pick<Task, 'metric' | 'units'>>(task: T, most: number): readonly T[] {
  const { metric, units } = task
  const whole = metric.carry !== undefined || metric.shape === 'bucket'
  const keyOf = ({ hour_ms, bucket }: Unit) => (whole ? `${bucket}` : `${dayOf(hour_ms)}/${bucket}`)
  const groups = [...Map.groupBy(units, keyOf).values()].sort((a, b) => b.length - a.length)
  const parts: Unit[][] = Array.from({ length: Math.min(most, groups.length) }, () => [])
  for (const group of groups) {
    const smallest = parts.reduce((least, part) => (part.length < least.length ? part : least))
    smallest.push(...group)
  }
  return parts.map((part) => ({ ...task, units: part }))
}

/** What came of all parts, or days, of a task as what came of it. Raises `invalid` when two of them made the same file. */
export function joined(parts: readonly Made[]): Made {
  const cells = new Set<string | undefined>()
  for (const add of parts.flatMap(({ adds }) => adds)) {
    const cell = add.tags?.[UNIT_TAG]
    if (cells.has(cell)) throw new Problem('invalid', `two parts of one task made ${cell}: use the same Hearth for all`)
    cells.add(cell)
  }
  return {
    units: parts.flatMap(({ units }) => units),
    changed: parts.flatMap(({ changed }) => changed),
    adds: parts.flatMap(({ adds }) => adds),
    removes: parts.flatMap(({ removes }) => removes),
    rows: parts.reduce((sum, { rows }) => sum + rows, 0),
    damage: parts.find(({ damage }) => damage)?.damage,
  }
}
