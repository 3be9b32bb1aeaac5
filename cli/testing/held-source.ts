/** A source of telemetry whose line can be down: its events stay in a real outbox until it is told to send them. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { bucketOf, serviceStream } from '../../contract/bucket.ts'
import type { Clock } from '../../contract/clock.ts'
import type { Event } from '../../contract/event.ts'
import { HUB_STREAMS, type Identity } from '../../contract/source.ts'
import { openOutbox } from '../../link/outbox.ts'
import { batchPoster } from '../../link/post-batch.ts'
import { shipOutbox } from '../../link/ship-outbox.ts'
import { openSqliteDisk } from '../../link/sqlite-disk.ts'
import { layoutOf, openAuthority, openRegistry } from '../fleet.ts'
import { loadConfig } from '../load-config.ts'
import { machineClock, machineRandom } from '../machine.ts'
import type { System } from './system.ts'

/** An event at a moment, ms since 1970; a service's names the hub that it is about. */
export type At = {
  readonly time_ms: number
  readonly event: Omit<Event, 'm'> & { readonly kind: string; hub?: string }
}

export type HeldSource = {
  /** Gathers events, oldest first. */
  tell(events: readonly At[]): Promise<void>
  /** Sends what was gathered, over HTTPS to the running gateway; resolves when all of it is acknowledged. */
  send(): Promise<void>
  /** Ends this run of the source; what was not sent stays in its outbox. */
  close(): void
}

/**
 * A run of a source that began at `boot_ms` and still goes on, so that its times are by its own monotonic clock. A hub's
 * outbox is the one that its agent opens later: what it holds then is of a run that is over.
 */
export async function openHeldSource(
  system: System,
  identity: Identity,
  run: { readonly boot_ms: number; readonly firmware: string },
): Promise<HeldSource> {
  const { home, environment } = system
  const context = { home, config: loadConfig(home, environment, home), clock: machineClock, random: machineRandom }
  const layout = layoutOf(context)
  const isHub = identity.role === 'hub'
  const folder = join(home, isHub ? 'hubs' : 'spool', identity.source)
  if (!existsSync(folder)) mkdirSync(folder, { recursive: true, mode: 0o700 })
  const disk = openSqliteDisk(join(folder, 'agent.db'))
  let booted = false
  // Read once at the boot, as the source's wall clock says; then only its monotonic clock counts.
  const clock: Clock = {
    now: () => (booted ? machineClock.now() : run.boot_ms),
    monotonic: () => (booted ? machineClock.now() - run.boot_ms : 0),
    timer: (delay_ms, callback) => machineClock.timer(delay_ms, callback),
  }
  const names = isHub
    ? HUB_STREAMS
    : Array.from({ length: layout.buckets }, (_, bucket) => serviceStream(layout.epoch, bucket))
  const outbox = await openOutbox({
    ...{ disk, clock, random: machineRandom, source: identity.source, generation: identity.generation },
    ...{ firmware: run.firmware, agent: 'held', streams: names.map((name) => ({ name })) },
  })
  booted = true
  const streamOf = ({ kind, hub }: At['event']) => {
    if (hub !== undefined) return serviceStream(layout.epoch, bucketOf(hub, layout.buckets))
    return kind === 'reading' ? 'readings' : 'control'
  }
  return {
    async tell(events) {
      const byStream = Map.groupBy(events, ({ event }) => streamOf(event))
      for (const [stream, told] of byStream) {
        const lines = told.map(({ time_ms, event }) => ({ m: time_ms - run.boot_ms, ...event }))
        outbox.appendAll(
          stream,
          lines.sort((a, b) => a.m - b.m),
        )
      }
      await outbox.sync()
    },
    async send() {
      const registry = await openRegistry(context)
      const app = `held-${identity.source}`
      const token = await registry.createToken({ app, scopes: ['telemetry'], identity })
      const authority = await openAuthority(context, registry)
      const url = `https://127.0.0.1:${system.ports.https}`
      const poster = batchPoster({ url, token, tls: { ca: authority.certificate_pem } })
      const ends = new AbortController()
      try {
        const { signal } = ends
        const shipper = shipOutbox({
          ...{ outbox, clock: machineClock, random: machineRandom, signal },
          send: (bytes, until) => poster.post(bytes, until),
        })
        await shipper.flush()
        ends.abort()
        await shipper.done
      } finally {
        ends.abort()
        poster.close()
        await registry.revokeToken(app)
        await registry.close()
      }
    },
    close: () => disk.close(),
  }
}
