import type { LakeAnswer, TableLook } from '../../../lake-api.ts'
import { SIZE_BINS } from '../../../size-bins.ts'
import { now } from '../browser.ts'
import { Explain } from '../definition.tsx'
import { Tag } from '../icon.tsx'
import { href } from '../location.ts'
import { bytes, counted, NOTHING, significant, whole } from '../number-format.ts'
import { SkeletonRows } from '../state-notes.tsx'
import { age, clockTime, dayTime } from '../time-range.ts'

const DAY_MS = 86_400_000

/** Every table: what is in it, in which shape, how new. */
export function TablesCard(props: {
  readonly tables: readonly TableLook[] | undefined
  readonly chosen: string | undefined
}) {
  return (
    <section class="card" aria-label="Tables">
      <header>
        <h2>Tables</h2>
        <span class="unit">newest version of each; choose one to see its files and versions</span>
      </header>
      <table class="table plain">
        <thead>
          <tr>
            <th>Table</th>
            <Head name="Rows" definition="table_rows" />
            <Head more name="Size" definition="table_size" />
            <Head more name="Files" />
            <Head more name="Small files" definition="small_files" />
            <Head more name="Version" definition="versions" />
            <Head name="Newest commit" definition="newest_commit" />
            <Head more name="Compacted" definition="upkeep" />
            <Head more name="Vacuumed" definition="upkeep" />
          </tr>
        </thead>
        <tbody>
          {props.tables?.map((table) => (
            <tr key={table.name} class={table.name === props.chosen ? 'chosen' : ''}>
              <td>
                <a
                  href={href('/lake', { table: table.name })}
                  aria-current={table.name === props.chosen ? 'true' : undefined}
                >
                  {table.name}
                </a>
              </td>
              <td class="number">
                <a
                  href={href('/query', { sql: `SELECT * FROM ${table.name} LIMIT 100`, run: '1' })}
                  title={`Rows of ${table.name}`}
                >
                  {whole(table.rows)}
                </a>
              </td>
              <td class="number more">{bytes(table.bytes)}</td>
              <td class="number more">{whole(table.files)}</td>
              <td class="number more">{whole(table.small_files)}</td>
              <td class="number more">{whole(table.version)}</td>
              <td class="number">{age(now.value - table.committed_ms)} ago</td>
              <td class="number more">{ago(table.upkeep.compacted_ms)}</td>
              <td class="number more">
                {table.upkeep.vacuumed_ms === null && table.upkeep.floor !== null
                  ? `to v${whole(table.upkeep.floor)}`
                  : ago(table.upkeep.vacuumed_ms)}
              </td>
            </tr>
          ))}
          {!props.tables && <SkeletonRows count={4} columns={9} />}
        </tbody>
      </table>
    </section>
  )
}

function ago(time_ms: number | null): string {
  return time_ms === null ? NOTHING : `${age(now.value - time_ms)} ago`
}

/** `more`: left out on a phone. */
function Head({
  name,
  definition,
  more,
}: {
  readonly name: string
  readonly definition?: string
  readonly more?: boolean
}) {
  return (
    <th class={more ? 'number more' : 'number'}>
      {name} {definition && <Explain name={definition} />}
    </th>
  )
}

const BIN_NAMES = [
  ...SIZE_BINS.map((end) => `< ${end < 4 ** 10 ? `${end / 1024} KiB` : `${end / 4 ** 10} MiB`}`),
  'larger',
]

/** How many files of which size: a bar each. */
export function FileSizes({ table }: { readonly table: TableLook | undefined }) {
  const most = Math.max(1, ...(table?.sizes ?? []))
  return (
    <section class="card" aria-label="File sizes">
      <header>
        <h2>File sizes</h2>
        <span class="unit">{table ? `${counted(table.files, 'file')} of ${table.name}` : ''}</span>
        <span class="links">
          <Explain name="small_files" />
        </span>
      </header>
      <dl class="sizes">
        {BIN_NAMES.map((name, index) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <i style={{ width: `${((table?.sizes[index] ?? 0) / most) * 100}%` }} aria-hidden="true" />
              <span>{table ? whole(table.sizes[index]) : ''}</span>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

/** Each bucket of the events: to when its data reaches, and how far its writer is behind its log. */
export function Buckets({ table, lags }: { readonly table: TableLook | undefined; readonly lags: LakeAnswer['lags'] }) {
  const behind = new Map(lags?.map((lag) => [lag.bucket, lag]))
  return (
    <section class="card" aria-label="Buckets">
      <header>
        <h2>Buckets</h2>
        <span class="unit">of events</span>
        <span class="links">
          <Explain name="bucket_lag" />
        </span>
      </header>
      <table class="table plain">
        <thead>
          <tr>
            <th>Bucket</th>
            <th class="number">Lag</th>
            <th class="number">Data to</th>
            <th class="number">Files</th>
            <th class="number">Size</th>
          </tr>
        </thead>
        <tbody>
          {table?.buckets.map((bucket) => (
            <tr key={bucket.bucket}>
              <td>
                <a
                  href={href('/query', {
                    sql: `SELECT hub_id, count(*) AS rows FROM events WHERE bucket = ${bucket.bucket} GROUP BY hub_id ORDER BY rows DESC`,
                    run: '1',
                  })}
                  title={`Rows of bucket ${bucket.bucket}`}
                >
                  {bucket.bucket}
                </a>
              </td>
              <td class="number">
                <Behind lag={behind.get(bucket.bucket)} />
              </td>
              <td class="number">{timeOf(bucket.newest_ms)}</td>
              <td class="number">{whole(bucket.files)}</td>
              <td class="number">{bytes(bucket.bytes)}</td>
            </tr>
          ))}
          {!table && <SkeletonRows count={4} columns={5} />}
        </tbody>
      </table>
    </section>
  )
}

function Behind({ lag }: { readonly lag: NonNullable<LakeAnswer['lags']>[number] | undefined }) {
  if (lag?.stopped) return <Tag tone="bad">stopped</Tag>
  return <>{lag && lag.seconds !== null ? `${significant(lag.seconds)} s` : NOTHING}</>
}

function timeOf(time_ms: number | null): string {
  if (time_ms === null) return NOTHING
  return now.value - time_ms < DAY_MS ? clockTime(time_ms) : dayTime(time_ms)
}
