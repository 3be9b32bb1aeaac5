import { expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { ManualClock } from '../sim/clock.ts'
import type { RelayPlace } from './directory.ts'
import { fleetView, hubsAfter } from './fleet-view.ts'
import { HUBS_PAGE, PEER_LOOK_MS, RELAYS_LOOK_MS, WANTED_HUBS_MAX, WATCH_SOON_MS } from './limits.ts'
import { type LiveEvent, liveFeed, type Wanted } from './live-event.ts'
import type { ConnectedHub, PeerView } from './peers.ts'

const stateOf = (hub: string): LiveEvent => ({ type: 'state', hub, device: 'lamp', set: { powered: true }, at: 1 })
const session = (epoch: string) => ({ epoch, since_ms: 1 })
type Held = Map<string, { readonly epoch: string; readonly since_ms: number }>

/** Relay a among others, each with its hubs; what it watches at whom is in `watched`. */
function opened(names: readonly string[] = ['b']) {
  const clock = new ManualClock()
  const feed = liveFeed()
  const held: Held = new Map()
  const others = new Map(names.map((name) => [name, { feed: liveFeed(), held: new Map() as Held }]))
  const watched = new Map<string, Wanted>()
  const state = { away: false, silent: new Set<string>() }
  const viewOf = (address: string): PeerView => {
    const other = others.get(address)
    if (!other || state.silent.has(address)) {
      const never = new Promise<readonly ConnectedHub[]>(() => undefined)
      return { watch: () => () => undefined, hubs: () => never }
    }
    return {
      watch: (wanted, listener) => other.feed.observe(listener, wanted),
      hubs: async (after) => hubsAfter(other.held, after),
    }
  }
  const view = fleetView({
    ...{ relay: 'a', feed, held: () => held, clock },
    others: {
      directory: {
        async relays(): Promise<readonly RelayPlace[]> {
          if (state.away) throw new Problem('unavailable', 'the directory is away')
          return ['a', ...others.keys()].map((relay) => ({ relay, address: relay }))
        },
      },
      views: {
        watch(address, wanted, listener) {
          watched.set(address, wanted)
          const stop = viewOf(address).watch(wanted, listener)
          return () => {
            watched.delete(address)
            stop()
          }
        },
        hubs: (address, after) => viewOf(address).hubs(after),
      },
    },
  })
  const other = (name: string) => {
    const found = others.get(name)
    if (!found) throw new Error(`no relay ${name}`)
    return found
  }
  return { clock, feed, held, others, other, watched, state, view }
}

test('who listens hears of hubs at each relay, also at one that comes later, and each event once', async () => {
  const { view, clock, feed, other, others } = opened()
  const heard: string[] = []
  view.observe(({ hub }) => heard.push(hub))
  await clock.advance(WATCH_SOON_MS)
  feed.publish(stateOf('hub-a'))
  other('b').feed.publish(stateOf('hub-b'))
  others.set('c', { feed: liveFeed(), held: new Map() })
  await clock.advance(RELAYS_LOOK_MS)
  other('c').feed.publish(stateOf('hub-c'))
  expect(heard).toEqual(['hub-a', 'hub-b', 'hub-c'])
})

test('others are asked for what is wanted here together, and for nothing once nobody listens', async () => {
  const { view, clock, watched, other } = opened()
  const heard: string[] = []
  const stops = [['hub-1'], ['hub-1', 'hub-2']].map((hubs) => view.observe(({ hub }) => heard.push(hub), new Set(hubs)))
  await clock.advance(WATCH_SOON_MS)
  expect(watched.get('b')).toEqual(new Set(['hub-1', 'hub-2']))
  for (const hub of ['hub-1', 'hub-2', 'hub-3']) other('b').feed.publish(stateOf(hub))
  expect(heard).toEqual(['hub-1', 'hub-1', 'hub-2'])
  stops.pop()?.()
  await clock.advance(WATCH_SOON_MS)
  expect(watched.get('b')).toEqual(new Set(['hub-1']))
  stops.pop()?.()
  await clock.advance(WATCH_SOON_MS)
  expect([watched.size, other('b').feed.watched]).toEqual([0, false])
})

test('of very many hubs others are asked for all, and only what is wanted is heard', async () => {
  const { view, clock, watched, other } = opened()
  const heard: string[] = []
  const many = Array.from({ length: WANTED_HUBS_MAX + 1 }, (_, i) => `hub-${i}`)
  view.observe(({ hub }) => heard.push(hub), new Set(many))
  await clock.advance(WATCH_SOON_MS)
  expect(watched.get('b')).toBe('all')
  for (const hub of ['hub-7', 'elsewhere']) other('b').feed.publish(stateOf(hub))
  expect(heard).toEqual(['hub-7'])
})

test('while the directory is away the relays that were known are heard on; one that is gone is not watched any more', async () => {
  const { view, clock, watched, state, others } = opened(['b', 'c'])
  view.observe(() => undefined)
  await clock.advance(WATCH_SOON_MS)
  state.away = true
  await clock.advance(2 * RELAYS_LOOK_MS)
  expect([...watched.keys()]).toEqual(['b', 'c'])
  state.away = false
  others.delete('b')
  await clock.advance(RELAYS_LOOK_MS)
  expect([...watched.keys()]).toEqual(['c'])
  view.close()
  expect(watched.size).toBe(0)
})

test('connected hubs are those of all relays, in as many pages as it takes; one that moves counts where it is now', async () => {
  const { view, held, other } = opened()
  held.set('moving', session('1.1.1'))
  other('b').held.set('moving', session('1.1.2'))
  for (let i = 0; i < 2 * HUBS_PAGE; i++) other('b').held.set(`hub-${i}`, session('1.1.1'))
  const { hubs, incomplete } = await view.hubs()
  expect([hubs.length, incomplete]).toEqual([2 * HUBS_PAGE + 1, undefined])
  expect(hubs.find(({ hub }) => hub === 'moving')?.epoch).toBe('1.1.2')
})

test('where a relay or the directory does not answer, the rest is told, and that it is not all', async () => {
  const { view, clock, held, other, state } = opened(['b', 'c'])
  held.set('hub-a', session('1.1.1'))
  other('b').held.set('hub-b', session('1.1.1'))
  state.silent.add('c')
  const some = view.hubs()
  await clock.advance(PEER_LOOK_MS)
  expect(await some).toMatchObject({
    hubs: [{ hub: 'hub-a' }, { hub: 'hub-b' }],
    incomplete: expect.stringMatching(/without hubs of c/),
  })
  state.away = true
  expect(await view.hubs()).toMatchObject({
    hubs: [{ hub: 'hub-a' }],
    incomplete: expect.stringMatching(/the directory/),
  })
})
