import type { Random } from '../contract/clock.ts'

/** Standard normal (Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958). */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.float())) * Math.cos(2 * Math.PI * random.float())
}

/** Log-normal with this median; `spread` is the standard deviation of the logarithm. */
export function logNormal(random: Random, median: number, spread: number): number {
  return median * Math.exp(spread * normal(random))
}

/** Time to the next of events that come independently, `mean` apart. */
export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random.float())
}

export function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random.float()
}

export function chance(random: Random, probability: number): boolean {
  return random.float() < probability
}

/** One of `items`, which must not be empty. */
export function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[Math.floor(random.float() * items.length)]
  if (item === undefined) throw new Error('assertion failed: pick from an empty list')
  return item
}

/**
 * One step of a walk that wanders around `target` and is drawn back to it within `pull_ms`
 * (Uhlenbeck and Ornstein, 1930); `noise` is its standard deviation in the long run.
 */
export function wander(
  random: Random,
  value: number,
  target: number,
  elapsed_ms: number,
  pull_ms: number,
  noise: number,
): number {
  const kept = Math.exp(-elapsed_ms / pull_ms)
  return target + (value - target) * kept + noise * Math.sqrt(1 - kept * kept) * normal(random)
}

/** Two decimals, as cheap sensors report. */
export function hundredths(value: number): number {
  return Math.round(value * 100) / 100
}
