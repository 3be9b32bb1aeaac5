import { useSignal } from '@preact/signals'
import type { VersionLook, VersionsAnswer } from '../../../lake-api.ts'
import { ask } from '../api-client.ts'
import { now } from '../browser.ts'
import { Explain } from '../definition.tsx'
import { parameter } from '../location.ts'
import { bytes, counted, whole } from '../number-format.ts'
import { useResource } from '../resource.ts'
import { SkeletonRows, Trouble } from '../state-notes.tsx'
import { clockTime, dayTime } from '../time-range.ts'

const EVERY_MS = 10_000
const FEW = 12
const MANY = 200
const DAY_MS = 86_400_000

/** What each version of a table did, newest first. */
export function Versions(props: {
  readonly table: string
  readonly newest: number | undefined
  /** The page says already that nothing could be read. */
  readonly told: boolean
}) {
  const { table, newest } = props
  const all = useSignal(false)
  const { state, retry } = useResource(
    () => `/api/lake/${parameter('table') ?? 'events'}/versions?limit=${all.value ? MANY : FEW}`,
    (address, signal) => ask<VersionsAnswer>(address, { signal }),
    EVERY_MS,
  )
  const resource = state.value
  const versions = resource.answer?.versions
  return (
    <section class="card" aria-label="Versions">
      <header>
        <h2>Versions</h2>
        <span class="unit">what each commit to {table} did, newest first</span>
        <span class="links">
          <Explain name="versions" />
        </span>
      </header>
      {!props.told && <Trouble what={`The history of ${table}`} resource={resource} retry={retry} />}
      <table class="table plain">
        <thead>
          <tr>
            <th>Version</th>
            <th>Committed</th>
            <th>What it did</th>
            <th class="number more">Rows</th>
            <th class="number more">Size</th>
          </tr>
        </thead>
        <tbody>
          {versions?.map((version) => (
            <tr key={version.version}>
              <td>{whole(version.version)}</td>
              <td>{now.value - version.time_ms < DAY_MS ? clockTime(version.time_ms) : dayTime(version.time_ms)}</td>
              <td class="did">{didOf(version)}</td>
              <td class="number more">{whole(version.rows)}</td>
              <td class="number more">{bytes(version.bytes)}</td>
            </tr>
          ))}
          {!versions && <SkeletonRows count={FEW} columns={5} />}
        </tbody>
      </table>
      {newest !== undefined && newest >= FEW && (
        <div class="foot">
          <button type="button" class="button quiet" onClick={() => (all.value = !all.value)}>
            {all.value ? `Show the newest ${FEW}` : `Show the newest ${Math.min(MANY, newest + 1)}`}
          </button>
        </div>
      )}
    </section>
  )
}

/** What a version did, in words. */
export function didOf({ kind, added, removed, batches, duplicates }: VersionLook): string {
  const files = counted(added, 'file')
  switch (kind) {
    case 'ingest': {
      const left = duplicates ? `; ${counted(duplicates, 'duplicate')} left out` : ''
      return batches === null ? `${files} added` : `${counted(batches, 'batch', 'batches')} in ${files}${left}`
    }
    case 'replace':
      return removed === 0 ? `${files} made` : `${files} made in place of ${whole(removed)}`
    case 'compact':
      return `${counted(removed, 'file')} joined into ${whole(added)}`
    case 'floor':
      return 'vacuum: older versions are let go'
    case 'metadata':
      return 'schema or settings'
    case 'erase':
      return removed === 0
        ? 'a hub erased: nothing more of it is stored'
        : `a hub erased: ${files} in place of ${whole(removed)}`
    case 'retain':
      return `${counted(removed, 'file')} past retention removed${added === 0 ? '' : `, ${whole(added)} kept in part`}`
    default:
      return `${kind} of another engine: ${files} added, ${whole(removed)} removed`
  }
}
