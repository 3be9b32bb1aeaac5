import type { Calculate } from './calculate.ts'

/** Calculates tasks of fewer units than `units_min` in one place, and others in another: a start has its price. */
export function bySize(units_min: number, small: Calculate, large: Calculate): Calculate {
  return (task, options) => (task.units.length < units_min ? small : large)(task, options)
}
