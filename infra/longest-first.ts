import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Files that take two minutes and more. vitest begins with the largest that it has not run before; one of these, begun last,
 * would run on alone. What loads both cores is not beside its like.
 */
const LONGEST = [
  'bench/chaos/chaos.real.test.ts',
  'cli/bad-days-kafka.real.test.ts',
  'cli/kill.real.test.ts',
  'cli/jobs-kubernetes.real.test.ts',
  'sim/planted.real.test.ts',
  'jobs/spark/spark.real.test.ts',
  'ingest/kafka-faults.real.test.ts',
  'infra/kubernetes/manifests.real.test.ts',
  'lake/filters.real.test.ts',
]

/** The order in which test files are begun. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

function rank({ project, moduleId }: TestSpecification): number {
  if (project.name !== 'real') return -1
  const place = LONGEST.findIndex((name) => moduleId.endsWith(name))
  return place < 0 ? LONGEST.length : place
}
