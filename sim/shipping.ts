import type { Identity } from '../contract/source.ts'
import type { Outbox } from '../link/outbox.ts'
import { shipOutbox } from '../link/ship-outbox.ts'
import type { Acknowledged } from './evidence.ts'
import type { IngestNode } from './ingest-node.ts'
import { sendBatch } from './network.ts'
import type { Life, World } from './world.ts'

export type AcknowledgedListener = (batch: Acknowledged) => void

/** Ships an outbox over the simulated network for as long as its process lives, and notes what was promised to it. */
export function ship(options: {
  readonly world: World
  readonly life: Life
  readonly identity: Identity
  readonly outbox: Outbox
  readonly ingest: IngestNode
  readonly acknowledged: AcknowledgedListener
}): void {
  const { world, life, identity, outbox, ingest } = options
  const { clock, random } = life
  shipOutbox({
    outbox,
    clock,
    random,
    signal: new AbortController().signal,
    send: (bytes) => sendBatch(world, life, identity, bytes, () => ingest.gateway()),
    acknowledged: ({ boot, stream, first, count }) => {
      if (!life.alive) return
      world.trace(life.name, `acknowledged ${boot} ${stream} ${first}+${count}`)
      options.acknowledged({ source: identity.source, boot, stream, first, count })
    },
    refused: (_, reason) => world.bugs.push(`${life.name}: a batch was refused: ${reason}`),
  })
}
