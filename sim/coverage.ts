import { type Fault, STEPS, type StepName, stepOf } from './step.ts'

/** How often each fault struck each step, over any number of runs. */
export type Coverage = Map<string, number>

export function hit(coverage: Coverage, fault: string, step: StepName): void {
  const key = `${fault} ${step}`
  coverage.set(key, (coverage.get(key) ?? 0) + 1)
}

export function stepNames(): readonly StepName[] {
  return Object.keys(STEPS).filter((name): name is StepName => name in STEPS)
}

/** (fault, step) pairs that can occur and never did. */
export function missedPairs(coverage: Coverage, faults: readonly Fault[]): readonly string[] {
  return faults.flatMap((fault) =>
    stepNames()
      .filter((step) => fault.strikes(stepOf(step), step) && !coverage.has(`${fault.name} ${step}`))
      .map((step) => `${fault.name} at ${step}`),
  )
}

/** Steps down, faults across; `·` where a fault cannot strike. */
export function coverageTable(coverage: Coverage, faults: readonly Fault[]): string {
  const head = ['step', ...faults.map((fault) => fault.name)]
  const rows = stepNames().map((step) => [
    step,
    ...faults.map((fault) =>
      fault.strikes(stepOf(step), step) ? String(coverage.get(`${fault.name} ${step}`) ?? 0) : '·',
    ),
  ])
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i]?.length ?? 0)))
  return [head, ...rows]
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
    )
    .join('\n')
}
