import type { Signal } from '@preact/signals'
import type { FleetAnswer } from '../../../api.ts'
import { RowsLink } from '../definition.tsx'
import { href, parameter, set } from '../location.ts'
import { durationText, percent, significant, whole } from '../number-format.ts'
import { Skeleton } from '../state-notes.tsx'
import { TextField } from '../text-field.tsx'

const FEW = 8
/** The server tells of so many. */
const MOST = 50

/** Hubs by availability, the worst first. */
export function WorstHubs({
  answer,
  all,
}: {
  readonly answer: FleetAnswer | undefined
  readonly all: Signal<boolean>
}) {
  const hubs = answer?.worst.hubs ?? []
  const wanted = parameter('find')?.toLowerCase() ?? ''
  const found = wanted ? hubs.filter(({ hub }) => hub.toLowerCase().includes(wanted)) : hubs
  const shown = all.value || wanted ? found : found.slice(0, FEW)
  return (
    <section class="card">
      <header>
        <h2>Worst hubs</h2>
        <span class="unit">by availability in this window</span>
        <span class="links">
          <TextField
            type="search"
            placeholder="Find a hub"
            aria-label="Find a hub"
            data-search
            value={parameter('find') ?? ''}
            onInput={(event) => set({ find: event.currentTarget.value.trim() }, true)}
          />
          {answer && <RowsLink sql={answer.worst.sql} label="worst hubs" />}
        </span>
      </header>
      <table class="table cards">
        <thead>
          <tr>
            <th>Hub</th>
            <th>Region</th>
            <th>Firmware</th>
            <th class="number">Availability, %</th>
            <th class="number">Disconnects</th>
            <th class="number">Command success, %</th>
            <th class="number">Commands</th>
            <th class="number">Loss, %</th>
            <th class="number">Crashes</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((hub) => (
            <tr key={hub.hub}>
              <td data-label="Hub">
                <a href={href('/commands', { hub: hub.hub })} title="Commands of this hub">
                  {hub.hub}
                </a>
              </td>
              <td data-label="Region">{hub.region ?? '–'}</td>
              <td data-label="Firmware">{hub.firmware ?? '–'}</td>
              <td data-label="Availability, %" class="number">
                <span>
                  <span class="share-bar" aria-hidden="true">
                    <i style={{ width: `${(hub.availability ?? 0) * 100}%` }} />
                  </span>
                  <span class="share-number">{percent(hub.availability)}</span>
                </span>
              </td>
              <td data-label="Disconnects" class="number">
                {whole(hub.disconnects)}
              </td>
              <td data-label="Command success, %" class="number">
                {percent(hub.success)}
              </td>
              <td data-label="Commands" class="number">
                {whole(hub.commands)}
              </td>
              <td data-label="Loss, %" class="number">
                {percent(hub.loss)}
              </td>
              <td data-label="Crashes" class="number">
                {whole(hub.crashes)}
              </td>
            </tr>
          ))}
          {!answer && <Rows count={FEW} columns={9} />}
        </tbody>
      </table>
      {answer && wanted && found.length === 0 && (
        <p class="foot">
          No hub of that name {hubs.length === MOST ? `among the worst ${MOST}` : 'was expected in this window'}.{' '}
          <a href={href('/commands', { hub: wanted })}>Commands of {wanted}</a>
        </p>
      )}
      {!wanted && hubs.length > FEW && (
        <div class="foot">
          <button type="button" class="button quiet" onClick={() => (all.value = !all.value)}>
            {all.value
              ? `Show the worst ${FEW}`
              : `Show ${hubs.length === MOST ? `the worst ${MOST}` : `all ${hubs.length}`}`}
          </button>
        </div>
      )}
    </section>
  )
}

/** The firmwares of the window beside one another. */
export function FirmwareTable({ answer }: { readonly answer: FleetAnswer | undefined }) {
  return (
    <section class="card">
      <header>
        <h2>Firmware</h2>
        <span class="unit">compared over this window; few hub-hours prove little</span>
        <span class="links">{answer && <RowsLink sql={answer.firmware.sql} label="firmware" />}</span>
      </header>
      <table class="table cards">
        <thead>
          <tr>
            <th>Firmware</th>
            <th class="number">Hubs</th>
            <th class="number">Hub-hours</th>
            <th class="number">Availability, %</th>
            <th class="number">Disconnects a day</th>
            <th class="number">Command success, %</th>
            <th class="number">p50</th>
            <th class="number">p95</th>
            <th class="number">p99</th>
            <th class="number">Crashes</th>
          </tr>
        </thead>
        <tbody>
          {answer?.firmware.rows.map((row) => (
            <tr key={row.firmware}>
              <td data-label="Firmware">{row.firmware}</td>
              <td data-label="Hubs" class="number">
                {whole(row.hubs)}
              </td>
              <td data-label="Hub-hours" class="number">
                {whole(row.hub_hours)}
              </td>
              <td data-label="Availability, %" class="number">
                {percent(row.availability)}
              </td>
              <td data-label="Disconnects a day" class="number">
                {significant(row.disconnects_per_day)}
              </td>
              <td data-label="Command success, %" class="number">
                {percent(row.success)}
              </td>
              <td data-label="p50" class="number">
                {durationText(row.p50)}
              </td>
              <td data-label="p95" class="number">
                {durationText(row.p95)}
              </td>
              <td data-label="p99" class="number">
                {durationText(row.p99)}
              </td>
              <td data-label="Crashes" class="number">
                {whole(row.crashes)}
              </td>
            </tr>
          ))}
          {!answer && <Rows count={3} columns={10} />}
        </tbody>
      </table>
    </section>
  )
}

function Rows({ count, columns }: { readonly count: number; readonly columns: number }) {
  return (
    <>
      {Array.from({ length: count }, (_, index) => (
        <tr key={index}>
          <td colSpan={columns}>
            <Skeleton width={`${90 - ((index * 13) % 30)}%`} />
          </td>
        </tr>
      ))}
    </>
  )
}
