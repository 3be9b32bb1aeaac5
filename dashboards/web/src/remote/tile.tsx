import { useSignal } from '@preact/signals'
import type { RefObject } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { browserClock } from '../browser.ts'
import { Icon, type IconName, Shape } from '../icon.tsx'
import { flag, type Kind, nameOf, number, SETPOINT, type States, setpointOf } from './device-kind.ts'
import { joined, type Queued, type Tap, verdictOf, wishedOf } from './tap.ts'
import type { Remote } from './use-remote.ts'

const COUNT_EVERY_MS = 50
/** A question that nobody answers is no longer meant. */
const ASK_MAX_MS = 10_000

type TileProps = {
  readonly device: string
  readonly kind: Kind
  readonly states: States
  readonly tap: Tap | undefined
  /** What was touched since, and waits for it. */
  readonly queued: Queued | undefined
  readonly send: Remote['tap']
}

/** One device that can be told something: what it is known to be, and what it is asked to become, never mixed. */
export function Tile(props: TileProps) {
  const { device, kind, states, tap, queued } = props
  const running = tap !== undefined && !tap.end
  const on = flag(states.get('powered')) === true || (kind === 'lock' && flag(states.get('locked')) === false)
  return (
    <section
      class={`tile ${on ? 'on' : ''} ${running ? 'running' : ''} ${kind === 'thermostat' ? 'wide' : ''}`}
      aria-label={nameOf(device)}
    >
      {kind === 'thermostat' ? (
        <Thermostat {...props} />
      ) : kind === 'lock' ? (
        <Lock {...props} />
      ) : (
        <>
          <Switch {...props} />
          {kind === 'lamp' && <Brightness {...props} />}
        </>
      )}
      <p class="told">
        {running && (
          <span class="count" aria-hidden="true">
            {tap.wish} … <Count since_ms={tap.since_ms} />
            {queued && `, then ${joined(queued).wish}`}
          </span>
        )}
        <span role="status">{tap && <Verdict tap={tap} />}</span>
      </p>
    </section>
  )
}

function Verdict({ tap }: { readonly tap: Tap }) {
  const verdict = verdictOf(tap)
  if (!verdict) return null
  return (
    <span class={`verdict ${verdict.tone}`}>
      <Shape tone={verdict.tone} /> <span>{verdict.text}</span>
    </span>
  )
}

/** The ms that a finger has waited so far. */
function Count({ since_ms }: { readonly since_ms: number }) {
  const shown = useSignal(0)
  useEffect(() => {
    let stop = () => {}
    const tick = () => {
      shown.value = browserClock.monotonic() - since_ms
      stop = browserClock.timer(COUNT_EVERY_MS, tick)
    }
    tick()
    return () => stop()
  }, [since_ms])
  return <>{Math.round(shown.value)} ms</>
}

/** The face of a tile: all of it is the button. */
function Face(props: {
  readonly icon: IconName
  readonly name: string
  readonly state: string
  readonly checked: boolean | undefined
  readonly busy: boolean
  readonly press: () => void
  readonly button?: RefObject<HTMLButtonElement | null>
}) {
  return (
    <button
      ref={props.button}
      type="button"
      class="face"
      role="switch"
      aria-checked={props.checked === true}
      aria-busy={props.busy}
      aria-label={`${props.name}: ${props.state}`}
      onClick={props.press}
    >
      <span class="bulb">
        <Icon name={props.icon} size={22} />
      </span>
      <span class="words">
        <span class="name">{props.name}</span>
        <span class="state">{props.state}</span>
      </span>
    </button>
  )
}

function Switch({ device, kind, states, tap, queued, send }: TileProps) {
  const powered = flag(states.get('powered'))
  const brightness = kind === 'lamp' && powered ? number(states.get('brightness')) : undefined
  const state = powered === undefined ? 'not known' : powered ? 'on' : 'off'
  const busy = 'powered' in wishedOf(tap, queued)
  return (
    <Face
      icon={kind === 'lamp' ? 'lamp' : 'plug'}
      name={nameOf(device)}
      state={brightness === undefined ? state : `${state} · ${Math.round(brightness)} %`}
      checked={powered}
      busy={busy}
      press={() => {
        // A second tap before the answer would ask for what nobody can see.
        if (!busy) send(device, { powered: !powered }, powered ? 'off' : 'on')
      }}
    />
  )
}

function Brightness({ device, states, send }: TileProps) {
  const known = number(states.get('brightness'))
  const held = useSignal<number | undefined>(undefined)
  const shown = held.value ?? known
  return (
    <label class={`slider ${shown === undefined ? 'unknown' : ''}`}>
      <span class="hidden-words">Brightness of {nameOf(device)}</span>
      <input
        type="range"
        min="1"
        max="100"
        value={shown ?? 50}
        aria-valuetext={shown === undefined ? 'not known' : `${Math.round(shown)} %`}
        onInput={(event) => (held.value = Number(event.currentTarget.value))}
        onChange={(event) => {
          const brightness = Number(event.currentTarget.value)
          held.value = undefined
          send(device, { brightness }, `${brightness} %`)
        }}
      />
      <output>{shown === undefined ? '–' : `${Math.round(shown)}\u2009%`}</output>
    </label>
  )
}

/** Locking is one tap; unlocking asks once more, since a pocket taps too. */
function Lock({ device, states, tap, send }: TileProps) {
  const locked = flag(states.get('locked'))
  const asking = useSignal(false)
  const face = useRef<HTMLButtonElement>(null)
  const question = useRef<HTMLDivElement>(null)
  const busy = tap !== undefined && !tap.end
  /** The focus, which would be lost with the question, goes back to where it came from. */
  const shut = () => {
    face.current?.focus()
    asking.value = false
  }
  const answer = (locked: boolean) => {
    if (busy) return
    shut()
    send(device, { locked }, locked ? 'locked' : 'unlocked')
  }
  // Somebody else unlocked it: there is nothing to ask.
  useEffect(() => {
    if (locked === false) asking.value = false
  }, [locked])
  useEffect(() => {
    if (!asking.value) return undefined
    return browserClock.timer(ASK_MAX_MS, () => {
      if (question.current?.contains(document.activeElement)) shut()
      else asking.value = false
    })
  }, [asking.value])
  return (
    <>
      <Face
        button={face}
        icon={locked === false ? 'unlocked' : 'locked'}
        name={nameOf(device)}
        state={locked === undefined ? 'not known' : locked ? 'locked' : 'unlocked'}
        checked={locked}
        busy={busy}
        press={() => {
          if (busy) return
          if (locked === false) send(device, { locked: true }, 'locked')
          else asking.value = !asking.value
        }}
      />
      {asking.value && (
        <div class="confirm" ref={question}>
          <button type="button" class="button primary" onClick={() => answer(false)}>
            Unlock
          </button>
          {locked === undefined && (
            <button type="button" class="button" onClick={() => answer(true)}>
              Lock
            </button>
          )}
          <button type="button" class="button" onClick={shut}>
            Cancel
          </button>
        </div>
      )}
    </>
  )
}

function Thermostat({ device, states, tap, queued, send }: TileProps) {
  const attribute = setpointOf(states) ?? 'setpoint'
  const known = number(states.get(attribute))
  const asked = wishedOf(tap, queued)[attribute]
  const wished = typeof asked === 'number' ? asked : undefined
  const temperature = number(states.get('temperature'))
  const heating = flag(states.get('heating'))
  const move = (steps: number) => {
    const next = Math.min(SETPOINT.max, Math.max(SETPOINT.min, (wished ?? known ?? 20) + steps * SETPOINT.step))
    send(device, { [attribute]: next }, degrees(next))
  }
  return (
    <>
      <div class="face still">
        <span class="bulb">
          <Icon name="thermostat" size={22} />
        </span>
        <span class="words">
          <span class="name">{nameOf(device)}</span>
          <span class="state">
            {temperature === undefined ? 'temperature not known' : `${degrees(temperature)} now`}
            {heating && ' · heating'}
          </span>
        </span>
      </div>
      <div class="stepper">
        <button type="button" class="button" aria-label={`${nameOf(device)}: cooler`} onClick={() => move(-1)}>
          −
        </button>
        <span class="target">
          <b>{known === undefined ? '–' : degrees(known)}</b>
          <small>{wished === undefined ? 'set' : `to be ${degrees(wished)}`}</small>
        </span>
        <button type="button" class="button" aria-label={`${nameOf(device)}: warmer`} onClick={() => move(1)}>
          +
        </button>
      </div>
    </>
  )
}

function degrees(value: number): string {
  return `${value.toFixed(1)}\u2009°C`
}
