/** Two relays over real TLS on this machine; time stands still unless it is told to pass. */
import { expect, test } from 'vitest'
import { CLUSTER_BACK_OFF, WANTED_HUBS_AT_ONCE } from './limits.ts'
import { type LiveEvent, liveFeed } from './live-event.ts'
import { listen, pair, soon } from './peer-link.fixture.ts'
import type { PeerView } from './peers.ts'

test('events of the watched hubs come over, of others none, and again once the connection was made anew', async () => {
  const feed = liveFeed()
  const watch: PeerView['watch'] = (wanted, listener) => feed.observe(listener, wanted)
  const { listener, close, clock, links } = await pair({ service: { watch } })
  const { port } = listener
  const heard: string[] = []
  const hear = ({ hub }: LiveEvent) => heard.push(hub)
  const publish = (...hubs: readonly string[]) => {
    for (const hub of hubs) feed.publish({ type: 'state', hub, device: 'lamp', set: { powered: true }, at: 1 })
  }
  const many = Array.from({ length: WANTED_HUBS_AT_ONCE + 1 }, (_, i) => `hub-${i}`)
  links.watch(`localhost:${port}`, new Set(many), hear)
  await soon(() => expect(feed.wanted()).toEqual(new Set(many)))
  publish('hub-0', 'elsewhere', many.at(-1) ?? '')
  await soon(() => expect(heard).toEqual(['hub-0', many.at(-1)]))
  const stop = links.watch(`localhost:${port}`, 'all', hear)
  await soon(() => expect(feed.wanted()).toBe('all'))
  await close()
  await soon(() => expect(feed.watched).toBe(false))
  await listen({ service: { watch } }, port)
  await soon(async () => {
    await clock.advance(CLUSTER_BACK_OFF.cap_ms)
    expect(feed.watched).toBe(true)
  })
  publish('elsewhere')
  await soon(() => expect(heard.at(-1)).toBe('elsewhere'))
  stop()
  await soon(() => expect(feed.watched).toBe(false))
})

test('connected hubs are asked for a page at a time', async () => {
  const {
    peer: _,
    links,
    listener,
  } = await pair({
    service: { hubs: async (after) => [{ hub: `${after}x`, epoch: '1.1.1', since_ms: 1 }] },
  })
  expect(await links.hubs(`localhost:${listener.port}`, 'hub-')).toEqual([
    { hub: 'hub-x', epoch: '1.1.1', since_ms: 1 },
  ])
})
