import { expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import { testFleet } from '../link/fleet.fixture.ts'
import { ManualClock } from '../sim/clock.ts'
import type { LedgerEvent } from './command.ts'
import type { CommandCore } from './command-core.ts'
import { listenForHubs } from './hub-listener.ts'
import { ALIVE_INTERVAL_MS } from './limits.ts'
import { liveFeed } from './live-event.ts'

test('a relay that holds no session says in each bucket with hubs that it lives: they are off, and it is not', async () => {
  const fleet = await testFleet()
  const clock = new ManualClock()
  const told: LedgerEvent[] = []
  let enrolled = [{ hub: 'demo-01' }]
  const listener = await listenForHubs({
    ...{
      host: '127.0.0.1',
      port: 0,
      tls: await fleet.server(),
      fleet: 'test',
      layout: { epoch: 1, buckets: 64 },
      clock,
    },
    authorise: () => ({ ok: true }),
    core: (): CommandCore => {
      throw new Error('nobody is connected')
    },
    epochs: { highest: () => undefined, raise: () => undefined },
    feed: liveFeed(),
    enrolled: () => enrolled,
    tell: (event) => told.push(event),
    fault: (error) => {
      throw error
    },
  })
  try {
    await clock.advance(ALIVE_INTERVAL_MS)
    expect(told).toEqual([{ m: ALIVE_INTERVAL_MS, kind: 'alive', hub: 'demo-01', sessions: 0 }])
    enrolled = Array.from({ length: 20 }, (_, i) => ({ hub: `demo-${i}` }))
    told.length = 0
    await clock.advance(ALIVE_INTERVAL_MS)
    const spoken = told.map(({ hub }) => bucketOf(hub, 64)).sort((a, b) => a - b)
    const expected = ['demo-01', ...enrolled.map(({ hub }) => hub)].map((hub) => bucketOf(hub, 64))
    expect(spoken).toEqual([...new Set(expected)].sort((a, b) => a - b))
  } finally {
    await listener.close()
    fleet.close()
  }
})
