import { assert } from '../contract/problem.ts'
import { dayOf } from './day.ts'
import type { Unit } from './plan.ts'
import { unitKey } from './touched.ts'

/** Units that are due, by day. */
export function openWork(planned: readonly Unit[]) {
  const days = new Map<number, Map<string, Unit>>()
  const work = {
    size: 0,
    /** One that is due already stays as it is. */
    add(unit: Unit) {
      const day_ms = dayOf(unit.hour_ms)
      const day = days.get(day_ms) ?? new Map<string, Unit>()
      days.set(day_ms, day)
      const key = unitKey(unit.hour_ms, unit.bucket)
      if (day.has(key)) return
      day.set(key, unit)
      work.size++
    },
    /** undefined when nothing is due. */
    firstDay(): number | undefined {
      return days.keys().reduce<number | undefined>((first, day) => Math.min(first ?? day, day), undefined)
    },
    ofDay: (day_ms: number): readonly Unit[] => [...(days.get(day_ms)?.values() ?? [])],
    take(hour_ms: number, bucket: number): Unit {
      const day = days.get(dayOf(hour_ms))
      const key = unitKey(hour_ms, bucket)
      const unit = day?.get(key)
      assert(day && unit, `${key} is due`)
      day.delete(key)
      if (day.size === 0) days.delete(dayOf(hour_ms))
      work.size--
      return unit
    },
    drop(day_ms: number) {
      work.size -= days.get(day_ms)?.size ?? 0
      days.delete(day_ms)
    },
  }
  for (const unit of planned) work.add(unit)
  return work
}
