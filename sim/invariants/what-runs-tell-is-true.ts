import type { Invariant } from '../evidence.ts'
import { decodePlainRows } from '../plain-rows.ts'

/** `job_runs` tells of each commit of a metric at most once, of those that a driver went on from, and of no other. */
export const whatRunsTellIsTrue: Invariant = {
  name: 'what runs tell is true',
  check({ jobs, archive }) {
    const { files } = archive.table('job_runs')
    const told = files
      .flatMap(({ path }) => decodePlainRows(archive.read(`job_runs/${path}`)))
      .filter(({ outcome }) => outcome === 'committed')
      .map(({ metric, version }) => `${metric} ${version}`)
    const committed = new Set(
      jobs.metrics.flatMap(({ name }) =>
        archive
          .table(name)
          .commits.filter(({ info }) => info?.hearth?.kind === 'replace')
          .map(({ version }) => `${name} ${version}`),
      ),
    )
    const ran = jobs.ran.map(({ metric, version }) => `${metric} ${version}`)
    return [
      ...told.filter((run) => !committed.has(run)).map((run) => `${run} is told, and was not committed`),
      ...told.filter((run, i) => told.indexOf(run) !== i).map((run) => `${run} is told twice`),
      ...ran
        .filter((run) => !told.includes(run))
        .map((run) => `${run} was committed and put on record, and is not told`),
    ]
  },
}
