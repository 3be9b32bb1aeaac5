import { bucketOf, type Layout, serviceStream } from '../contract/bucket.ts'
import type { Clock } from '../contract/clock.ts'
import type { Disk } from '../link/disk.ts'
import type { Outbox } from '../link/outbox.ts'
import type { Command, LedgerEvent } from '../relay/command.ts'
import type { Ledger } from '../relay/command-core.ts'

const PREFIX = 'command/'

/** The relay's ledger over an outbox and the disk below it: events first, so that no outcome is known and not told. */
export function relayLedger(disk: Disk, outbox: Outbox, clock: Clock, layout: Layout): Ledger {
  const read = (value: Uint8Array): Command => {
    const command: Command = JSON.parse(Buffer.from(value).toString())
    return { ...command, issued_mono: undefined, sent_mono: undefined }
  }
  return {
    write(events, commands) {
      const origin_ms = clock.monotonic() - outbox.m()
      for (const event of events) {
        const stream = serviceStream(layout.epoch, bucketOf(event.hub, layout.buckets))
        outbox.append(stream, { ...event, m: event.m - origin_ms } satisfies LedgerEvent)
      }
      disk.write(commands.map((one) => ({ put: PREFIX + one.id, value: Buffer.from(JSON.stringify(one)) })))
    },
    find(id) {
      const value = disk.get(PREFIX + id)
      return value && read(value)
    },
    open: () =>
      disk
        .scan(PREFIX, `${PREFIX}~`)
        .map(({ value }) => read(value))
        .filter((command) => command.outcome === undefined),
  }
}
