import type { Clock } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import { APP_RATE, HUB_DAY_RATE, HUB_RATE } from './limits.ts'
import { rateGate } from './rate.ts'

/** How many commands apps may issue and hubs may get. Each raises `limit`, with the time to wait. */
export type IssueRates = {
  /** Of an app, at the relay that it asks. */
  app(app: string): void
  /** To a hub, at the relay that issues. */
  hub(hub: string): void
  both(app: string, hub: string): void
}

export function issueRates(clock: Pick<Clock, 'monotonic'>): IssueRates {
  const [apps, hubs, days] = [rateGate(clock, APP_RATE), rateGate(clock, HUB_RATE), rateGate(clock, HUB_DAY_RATE)]
  /** What the shorter bound refuses, the longer one does not count. */
  const takeHub = (hub: string) => hubs.take(hub) || days.take(hub)
  const refuse = (wait_ms: number, whose: string) => {
    throw new Problem('limit', `too many commands ${whose}`, { cause: { retry_after_ms: wait_ms } })
  }
  return {
    app(app) {
      const wait_ms = apps.take(app)
      if (wait_ms > 0) refuse(wait_ms, `from app ${app}`)
    },
    hub(hub) {
      const wait_ms = takeHub(hub)
      if (wait_ms > 0) refuse(wait_ms, `to hub ${hub}`)
    },
    both(app, hub) {
      const wait_ms = apps.take(app) || takeHub(hub)
      if (wait_ms > 0) refuse(wait_ms, `from app ${app} or to hub ${hub}`)
    },
  }
}
