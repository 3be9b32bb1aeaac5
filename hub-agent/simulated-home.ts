import type { Clock, Random } from '../contract/clock.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import { between } from './chance.ts'
import type { Devices, Report } from './devices.ts'
import { type HomeReport, openHome } from './home.ts'
import { transmit } from './radio.ts'

export type SimulatedHomeOptions = {
  readonly clock: Clock
  readonly random: Random
  /** IANA time zone. Default UTC. */
  readonly zone?: string
  /** Climate sensors report each 10 minutes ÷ pace. Default 1. */
  readonly pace?: number
  readonly weak_radios?: boolean
}

/**
 * A simulated home behind the seam: its time is `clock`'s, its radios take their time and lose messages. `actuate`
 * raises `unavailable` with outcome `unknown` when no confirmation came: the device may have heard.
 */
export function simulatedHome(options: SimulatedHomeOptions): Devices {
  const { clock, random } = options
  const origin_ms = clock.monotonic()
  const start_ms = clock.now()
  /** The home's time never jumps, whatever the wall clock does. */
  const time_ms = () => start_ms + (clock.monotonic() - origin_ms)
  const home = openHome({ ...options, zone: options.zone ?? 'UTC', start_ms })
  const listeners = new Set<(report: Report) => void>()
  const tell = (reports: readonly HomeReport[]) => {
    const m = clock.monotonic() - origin_ms
    for (const { device, attribute, value, unit } of reports) {
      for (const listener of listeners)
        listener({ device, attribute, value, ...(unit === undefined ? {} : { unit }), m })
    }
  }

  let cancel: (() => void) | undefined
  let closed = false
  const plan = () => {
    cancel = clock.timer(Math.max(0, home.next_ms() - time_ms()), () => {
      while (home.next_ms() <= time_ms()) tell(home.step())
      plan()
    })
  }
  plan()
  /** A device of another home must not speak into this one's life, so a closed home forgets its timers. */
  const pending = new Set<() => void>()

  return {
    list: () => home.devices.map(({ device, type, attributes }) => ({ device, type, attributes })),
    subscribe(callback) {
      listeners.add(callback)
      return () => listeners.delete(callback)
    },
    actuate(device, set, signal) {
      return new Promise((resolve, reject) => {
        const radio = home.devices.find((candidate) => candidate.device === device)?.radio
        // An unknown device has no radio; `set` names it in its Problem.
        const flight = radio ? transmit(random, radio) : { ms: 0, confirmed: true, heard: true }
        const settle = (act: () => void) => {
          cancelTimer()
          pending.delete(abandon)
          signal.removeEventListener('abort', abandon)
          act()
        }
        const abandon = () => {
          const message = closed ? 'the home was closed' : `${device} was given up before it confirmed`
          settle(() => reject(new Problem('unavailable', message, { outcome: 'unknown' })))
        }
        const arrive = () => {
          if (!flight.heard) {
            const message = `${device} did not answer within ${Math.round(flight.ms)} ms`
            settle(() => reject(new Problem('unavailable', message, { outcome: 'unknown' })))
            return
          }
          try {
            const reports = home.set(device, set, time_ms())
            settle(() => {
              if (flight.confirmed) resolve()
              else reject(new Problem('unavailable', `${device} did not confirm`, { outcome: 'unknown' }))
            })
            // A report is a message of its own, a little behind the confirmation.
            const later = clock.timer(between(random, 1, 20), () => {
              pending.delete(later)
              tell(reports)
            })
            pending.add(later)
          } catch (error) {
            if (!isProblem(error)) throw error
            settle(() => reject(error))
          }
        }
        const cancelTimer = clock.timer(flight.ms, arrive)
        pending.add(abandon)
        if (signal.aborted) abandon()
        else signal.addEventListener('abort', abandon, { once: true })
      })
    },
    async close() {
      closed = true
      cancel?.()
      listeners.clear()
      for (const end of pending) end()
      pending.clear()
    },
  }
}
