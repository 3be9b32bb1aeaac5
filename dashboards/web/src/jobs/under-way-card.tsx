import type { JobsAnswer } from '../../../jobs-api.ts'
import { now } from '../browser.ts'
import { Explain } from '../definition.tsx'
import { Tag } from '../icon.tsx'
import { counted, whole } from '../number-format.ts'
import { SkeletonRows } from '../state-notes.tsx'
import { age } from '../time-range.ts'

/** Runs that others calculate, how far each is, and how to end it. */
export function UnderWayCard({ runs }: { readonly runs: JobsAnswer['under_way'] | undefined }) {
  return (
    <section class="card" aria-label="Under way elsewhere">
      <header>
        <h2>Under way elsewhere</h2>
        <span class="unit">calculated by pods or other processes</span>
        <span class="links">
          <Explain name="runs_under_way" />
        </span>
      </header>
      {runs?.length === 0 ? (
        <p class="foot">None.</p>
      ) : (
        <table class="table cards">
          <thead>
            <tr>
              <th>Metric</th>
              <th>Parts made</th>
              <th class="number">Units</th>
              <th class="number">Since</th>
              <th class="number">Failed before</th>
              <th>To end it</th>
            </tr>
          </thead>
          <tbody>
            {runs?.map((one) => (
              <Row key={one.run} one={one} />
            ))}
            {!runs && <SkeletonRows count={1} columns={6} />}
          </tbody>
        </table>
      )}
    </section>
  )
}

function Row({ one }: { readonly one: JobsAnswer['under_way'][number] }) {
  const { run, about, made, since_ms, failed } = one
  return (
    <tr>
      <td>{about ? about.metric : <Tag tone="warn">of another Hearth</Tag>}</td>
      <td data-label="Parts made">
        {about ? (
          <span class="parts">
            <progress value={made} max={about.parts} aria-label={`Parts of ${about.metric} made`} />
            {whole(made)} of {counted(about.parts, 'part')}
          </span>
        ) : (
          whole(made)
        )}
      </td>
      <td data-label="Units" class="number">
        {whole(about?.units)}
      </td>
      <td data-label="Since" class="number">
        {age(now.value - since_ms)}
      </td>
      <td data-label="Failed before" class="number">
        {whole(failed)}
      </td>
      <td data-label="To end it">
        <code>hearth jobs cancel {run}</code>
      </td>
    </tr>
  )
}
