import { Outcome } from '../commands/outcome.tsx'
import { href } from '../location.ts'
import { durationText, significant } from '../number-format.ts'
import { nameOf } from './device-kind.ts'
import { partsOf, type Tap } from './tap.ts'

/** Where the time of the last tap went, from the finger to the device and back. */
export function TapStory({ tap }: { readonly tap: Tap | undefined }) {
  const end = tap?.end
  const report = end && 'report' in end ? end.report : undefined
  const parts = report && end ? partsOf(report, end.ms) : []
  const whole_ms = Math.max(
    0.001,
    parts.reduce((sum, { ms }) => sum + ms, 0),
  )
  return (
    <section class="card tap-story" aria-label="Last tap">
      <header>
        <h2>Last tap</h2>
        {tap && (
          <span class="soft">
            {nameOf(tap.device)}: {tap.wish}
          </span>
        )}
        {report && (
          <span class="links">
            <a href={href('/commands', { command: report.command, issued: String(Math.round(report.issued)) })}>
              its story
            </a>
          </span>
        )}
      </header>
      <div class="body">
        <p class="whole">
          <b>{end ? significant(end.ms) : '–'}</b>
          <span class="unit">{end && !report ? 'ms waited' : 'ms from tap to answer'}</span>
          {report && <Outcome outcome={report.outcome} />}
        </p>
        {parts.length > 0 ? (
          <>
            <div
              class="bar"
              role="img"
              aria-label={parts.map(({ name, ms }) => `${name} ${durationText(ms)}`).join('; ')}
            >
              {parts.map(({ name, ms, tone }) => (
                <span key={name} class={tone} style={{ flexGrow: ms / whole_ms }} />
              ))}
            </div>
            <dl>
              {parts.map(({ name, ms, tone, clock }) => (
                <div key={name} title={`by ${clock}`}>
                  <dt>
                    <i class={tone} /> {name}
                  </dt>
                  <dd>{durationText(ms)}</dd>
                </div>
              ))}
            </dl>
          </>
        ) : (
          <p class="soft">
            {tap === undefined
              ? 'Tap something: here stands how long it took, and where the time went.'
              : tap.end
                ? 'Nothing came back, so that nobody knows where it was lost.'
                : 'On its way …'}
          </p>
        )}
      </div>
    </section>
  )
}
