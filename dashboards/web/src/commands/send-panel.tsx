import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { HubsAnswer, TraceAnswer } from '../../../api.ts'
import { ask, Failure, post } from '../api-client.ts'
import { browserClock, randomKey } from '../browser.ts'
import { Icon } from '../icon.tsx'
import { feed, takeCommand } from '../live-feed.ts'
import { parameter, set } from '../location.ts'
import { durationText } from '../number-format.ts'
import { Words } from '../state-notes.tsx'
import { TextField } from '../text-field.tsx'
import { Outcome } from './outcome.tsx'

type Sending =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly since: number }
  | { readonly kind: 'ended'; readonly ms: number; readonly outcome: string | null }
  | { readonly kind: 'failed'; readonly gone: boolean; readonly message: string }

/** What a command usually sets; a device's own attributes are offered besides. */
const USUAL_ATTRIBUTES = ['powered', 'brightness', 'locked', 'target_temperature']
const COUNT_EVERY_MS = 33

/** Sends one command: choose hub, device, attribute and value; the ms count up and stop at the outcome. */
export function SendPanel({ hubs }: { readonly hubs: HubsAnswer | undefined }) {
  const hub = useSignal(parameter('hub') ?? '')
  const device = useSignal('')
  const suggested = useRef('')
  const attribute = useSignal('powered')
  const value = useSignal('true')
  const deadline = useSignal('5000')
  const sending = useSignal<Sending>({ kind: 'idle' })
  const known = hubs?.hubs ?? []
  const chosen = known.find((candidate) => candidate.hub === hub.value)
  useEffect(() => {
    const first = known.find((candidate) => candidate.connected) ?? known[0]
    if (hub.value === '' && first) hub.value = first.hub
  }, [hubs])
  useEffect(() => {
    const first = chosen?.devices.find(({ device: name }) => name.includes('lamp')) ?? chosen?.devices[0]
    // What somebody has typed is theirs: only a suggestion of this panel gives way to another.
    if (!first || device.value !== suggested.current) return
    if (!chosen?.devices.some(({ device: name }) => name === device.value)) device.value = first.device
    suggested.current = device.value
  }, [chosen])
  useEffect(() => {
    const back = feed.value === 'open' || feed.value === 'relay-down'
    if (back && sending.value.kind === 'failed' && sending.value.gone) sending.value = { kind: 'idle' }
  }, [feed.value])
  const send = async (event: SubmitEvent) => {
    event.preventDefault()
    const since = browserClock.monotonic()
    sending.value = { kind: 'running', since }
    try {
      const body = {
        hub: hub.value.trim(),
        device: device.value.trim(),
        set: { [attribute.value.trim()]: parsed(value.value) },
        deadline_ms: Number(deadline.value),
      }
      const { trace } = await ask<TraceAnswer>('/api/commands', post(body, { 'idempotency-key': randomKey() }))
      sending.value = { kind: 'ended', ms: browserClock.monotonic() - since, outcome: trace.outcome }
      takeCommand(trace)
      set({ command: trace.command, issued: String(Math.round(trace.issued_ms ?? 0)) })
    } catch (error) {
      const failure = error instanceof Failure ? error : new Failure('internal', String(error))
      sending.value = { kind: 'failed', gone: failure.kind === 'gone', message: failure.message }
    }
  }
  const running = sending.value.kind === 'running'
  return (
    <section class="card send" aria-label="Send a command">
      <header>
        <h2>Send a command</h2>
        {hubs?.relay === 'down' && <span class="soft">the relay does not answer</span>}
      </header>
      <form onSubmit={(event) => void send(event)}>
        <label class="label">
          Hub
          <TextField
            list="send-hubs"
            required
            value={hub.value}
            onInput={(event) => (hub.value = event.currentTarget.value)}
          />
        </label>
        <label class="label">
          Device
          <TextField
            list="send-devices"
            required
            placeholder="kitchen-lamp"
            value={device.value}
            onInput={(event) => (device.value = event.currentTarget.value)}
          />
        </label>
        <label class="label">
          Attribute
          <TextField
            list="send-attributes"
            required
            pattern="[a-z][a-z0-9_]{0,31}"
            value={attribute.value}
            onInput={(event) => (attribute.value = event.currentTarget.value)}
          />
        </label>
        <label class="label">
          Value
          <TextField
            list="send-values"
            required
            value={value.value}
            onInput={(event) => (value.value = event.currentTarget.value)}
          />
        </label>
        <div class="go">
          <button type="submit" class="button primary" disabled={running}>
            <Icon name="send" size={14} /> Send
          </button>
          <Count sending={sending.value} />
        </div>
        {sending.value.kind === 'failed' && (
          <p class="banner bad" role="alert" style={{ gridColumn: '1 / -1' }}>
            <span>
              <Words text={sending.value.message} />
            </span>
          </p>
        )}
        <datalist id="send-hubs">
          {known.map((candidate) => (
            <option key={candidate.hub} value={candidate.hub}>
              {candidate.connected === false ? 'not connected' : candidate.home}
            </option>
          ))}
        </datalist>
        <datalist id="send-devices">
          {chosen?.devices.map((candidate) => (
            <option key={candidate.device} value={candidate.device} />
          ))}
        </datalist>
        <datalist id="send-attributes">
          {[
            ...new Set([
              ...USUAL_ATTRIBUTES,
              ...(chosen?.devices.find((candidate) => candidate.device === device.value)?.attributes ?? []),
            ]),
          ].map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <datalist id="send-values">
          <option value="true" />
          <option value="false" />
        </datalist>
      </form>
    </section>
  )
}

/** The ms that the browser waited: counting while it waits, then standing. */
function Count({ sending }: { readonly sending: Sending }) {
  const shown = useSignal(0)
  useEffect(() => {
    if (sending.kind !== 'running') return undefined
    let stop = () => {}
    const tick = () => {
      shown.value = browserClock.monotonic() - sending.since
      stop = browserClock.timer(COUNT_EVERY_MS, tick)
    }
    tick()
    return () => stop()
  }, [sending])
  if (sending.kind === 'running')
    return (
      <span class="count" role="timer">
        {durationText(shown.value)}
      </span>
    )
  if (sending.kind !== 'ended') return null
  return (
    <>
      <span class="count">
        {durationText(sending.ms)} <small>browser’s clock</small>
      </span>
      <Outcome outcome={sending.outcome} />
    </>
  )
}

/** `true`, `21.5`, or words. */
function parsed(text: string): string | number | boolean {
  const value = text.trim()
  if (value === 'true' || value === 'on') return true
  if (value === 'false' || value === 'off') return false
  return value !== '' && !Number.isNaN(Number(value)) ? Number(value) : value
}
