import { describe, expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { formatEpoch, parseEpoch, type SessionEpoch } from '../contract/source.ts'
import { ManualClock, settle } from '../sim/clock.ts'
import type { Directory } from './directory.ts'
import { hubClaims } from './hub-claims.ts'
import { CLAIM_AGAIN_MS, CLAIM_ROUND_MS, CLAIM_WAIT_MS } from './limits.ts'
import { memoryDirectory } from './memory-directory.ts'

const HUB = 'demo-01'

const away = async () => {
  throw new Problem('unavailable', 'the directory is away')
}

/** A relay's claims over a directory that another one shares. */
function relay() {
  const clock = new ManualClock()
  const shared = memoryDirectory()
  const own = shared.join({ relay: 'a', address: 'a:1' })
  const other = shared.join({ relay: 'b', address: 'b:1' })
  const sessions = new Map<string, { readonly epoch: string }>()
  const highest = new Map<string, SessionEpoch>()
  const state = { claim: own.claim, asked: 0 }
  const directory: Directory = {
    ...own,
    claim: (hub, epoch) => {
      state.asked++
      return state.claim(hub, epoch)
    },
  }
  const claims = hubClaims({
    directory,
    clock,
    epochs: { highest: (hub) => highest.get(hub), raise: (hub, epoch) => void highest.set(hub, epoch) },
    sessions: () => sessions,
    superseded: (hub, epoch) => {
      sessions.delete(hub)
      claims.left(hub, epoch)
    },
    fault: (error) => {
      throw error
    },
  })
  const connect = async (epoch: string) => {
    highest.set(HUB, parseEpoch(epoch))
    const answer = await claims.enter(HUB, epoch)
    if (!answer.accept) return answer
    sessions.set(HUB, { epoch })
    claims.opened(HUB, epoch)
    return answer
  }
  const place = async () => {
    const found = await own.find(HUB)
    return found && `${found.relay} ${found.epoch}`
  }
  const known = () => {
    const epoch = highest.get(HUB)
    return epoch && formatEpoch(epoch)
  }
  return { clock, shared, own, other, sessions, state, claims, connect, place, known }
}

describe('a hub that connects', () => {
  test('has its place in the directory before its session begins, and none after it', async () => {
    const { claims, connect, place } = relay()
    expect(await connect('1.1.1')).toEqual({ accept: true })
    expect(await place()).toBe('a 1.1.1')
    claims.left(HUB, '1.1.1')
    await settle()
    expect(await place()).toBeUndefined()
  })

  test('is refused where a newer session of it is known elsewhere, with the counter to jump above', async () => {
    const { other, connect, known, sessions } = relay()
    await other.claim(HUB, '1.7.2')
    expect(await connect('1.1.1')).toMatchObject({ accept: false, floor: 7 })
    expect([known(), sessions.size]).toEqual(['1.7.2', 0])
  })

  test('is refused when a newer connection of it came while the directory was waited for', async () => {
    const { state, own, connect, sessions } = relay()
    const { promise, resolve } = Promise.withResolvers<void>()
    state.claim = async (hub, epoch) => {
      await promise
      return own.claim(hub, epoch)
    }
    const older = connect('1.1.1')
    const newer = connect('1.1.2')
    resolve()
    expect([(await older).accept, (await newer).accept]).toEqual([false, true])
    expect(sessions.get(HUB)).toEqual({ epoch: '1.1.2' })
  })

  test('is let in at once while the directory is away, and claimed when it is back', async () => {
    const { clock, state, own, connect, place } = relay()
    state.claim = away
    expect(await connect('1.1.1')).toEqual({ accept: true })
    const { asked } = state
    expect(await connect('1.1.2')).toEqual({ accept: true })
    expect(state.asked).toBe(asked)
    state.claim = own.claim
    await clock.advance(CLAIM_AGAIN_MS)
    expect(await place()).toBe('a 1.1.2')
  })

  test('waits for a silent directory no longer than a moment, and the next one not at all', async () => {
    const { clock, state, connect } = relay()
    state.claim = () => new Promise(() => undefined)
    const first = connect('1.1.1')
    await clock.advance(CLAIM_WAIT_MS)
    expect(await first).toEqual({ accept: true })
    expect(await connect('1.1.2')).toEqual({ accept: true })
  })
})

describe('a session', () => {
  test('of an older epoch ends when its hub is claimed elsewhere, and its old place stays the other’s', async () => {
    const { other, connect, sessions, place, known } = relay()
    await connect('1.1.1')
    await other.claim(HUB, '1.1.2')
    await settle()
    expect([sessions.size, await place(), known()]).toEqual([0, 'b 1.1.2', '1.1.2'])
  })

  test('goes on when an older one is claimed elsewhere, by a copy of the directory from before', async () => {
    const { shared, other, connect, sessions, clock, place } = relay()
    await connect('1.1.2')
    shared.restore(new Map())
    await other.claim(HUB, '1.1.1')
    shared.tellAnew()
    await clock.advance(0)
    expect([sessions.size, await place()]).toEqual([1, 'a 1.1.2'])
  })

  test('is claimed again at its turn where the directory has forgotten and says nothing', async () => {
    const { shared, connect, clock, place } = relay()
    await connect('1.1.1')
    shared.restore(new Map())
    await clock.advance(CLAIM_ROUND_MS)
    expect(await place()).toBe('a 1.1.1')
  })

  test('that was let in without the directory ends when the claim loses', async () => {
    const { other, state, own, connect, clock, sessions } = relay()
    await other.claim(HUB, '1.7.1')
    state.claim = away
    expect((await connect('1.1.1')).accept).toBe(true)
    state.claim = own.claim
    await clock.advance(CLAIM_AGAIN_MS)
    expect(sessions.size).toBe(0)
  })

  test('is claimed though the end of the one before is just being told', async () => {
    const { clock, own, state, claims, connect, sessions, place } = relay()
    await connect('1.1.1')
    state.claim = away
    await claims.enter('demo-02', '1.1.1')
    state.claim = own.claim
    expect(await claims.enter(HUB, '1.1.2')).toEqual({ accept: true })
    sessions.set(HUB, { epoch: '1.1.2' })
    claims.left(HUB, '1.1.1')
    claims.opened(HUB, '1.1.2')
    await clock.advance(CLAIM_AGAIN_MS)
    expect(await place()).toBe('a 1.1.2')
  })

  test('that never began after its claim leaves no place behind', async () => {
    const { claims, clock, place } = relay()
    await claims.enter(HUB, '1.1.1')
    await clock.advance(CLAIM_ROUND_MS)
    expect(await place()).toBeUndefined()
  })
})
