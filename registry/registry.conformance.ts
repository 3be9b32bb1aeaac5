import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import type { HubRecord } from '../contract/registry-record.ts'
import { ManualClock } from '../sim/clock.ts'
import type { Administration } from './administration.ts'
import { CODE_LIFE_MS, CODES_PER_HUB_MAX } from './limits.ts'

/** `open` gives the same registry at each call, as another process would see it. */
export type RegistryUnderTest = { readonly open: (clock: ManualClock) => Administration; readonly dispose: () => void }

const BUCKETS = 4
const hub = (id: string, change: Partial<HubRecord> = {}): HubRecord => ({
  hub: id,
  home: 'home-1',
  region: 'eu',
  model: 'h1',
  zone: 'Europe/Berlin',
  generation: 1,
  enrolled_ms: 1000,
  maintenance: [],
  ...change,
})

/** What every registry promises. The layout has 4 buckets. */
export function registryConformance(name: string, make: () => RegistryUnderTest): void {
  describe(`${name} keeps the promises of a registry`, () => {
    let tested: RegistryUnderTest
    let registry: Administration
    let clock: ManualClock
    const events = (of: Administration, id: string) => of.changes(bucketOf(id, BUCKETS), 0, 100)

    beforeEach(() => {
      tested = make()
      clock = new ManualClock()
      registry = tested.open(clock)
    })
    afterEach(() => {
      registry.close()
      tested.dispose()
    })

    test('a hub is known over time, and its newest record is the default', () => {
      registry.putHub(hub('a'), 1000)
      registry.putHub(hub('a', { zone: 'Asia/Tokyo' }), 2000)
      registry.putHub(hub('b'), 1500)
      expect(registry.hubs(999)).toEqual([])
      expect(registry.hubs(1700).map((record) => [record.hub, record.zone])).toEqual([
        ['a', 'Europe/Berlin'],
        ['b', 'Europe/Berlin'],
      ])
      expect(registry.hub('a')?.zone).toBe('Asia/Tokyo')
      expect(registry.history('a').map((one) => one.valid_from_ms)).toEqual([1000, 2000])
      expect(registry.hub('c')).toBeUndefined()
    })

    test('a name that is none is refused in one sentence, and a hub that is not there where the others are', () => {
      expect(() => registry.putHub(hub('Bad Name', { home: 'Bad Name' }), 1000)).toThrow(
        /^a hub or home is named by [^;]*; found "Bad Name"$/,
      )
      expect(() => registry.retireHub('nobody', 1000)).toThrow(
        'no hub "nobody" in the registry: hearth registry hubs lists them',
      )
    })

    test('each change is an event of its bucket, numbered from 0 without a gap, with the whole record', () => {
      registry.putHub(hub('a'), 1000)
      registry.putHub(hub('a', { maintenance: [{ from_ms: 1, to_ms: 2 }] }), 2000)
      registry.putHub(hub('a', { model: 'h2', maintenance: [{ from_ms: 1, to_ms: 2 }] }), 3000)
      registry.retireHub('a', 4000)
      expect(events(registry, 'a').map(({ seq, event }) => [seq, event.stage, event.valid_from_ms])).toEqual([
        [0, 'enrolled', 1000],
        [1, 'maintenance', 2000],
        [2, 'changed', 3000],
        [3, 'retired', 4000],
      ])
      expect(events(registry, 'a')[3]?.event).toMatchObject({
        kind: 'registry',
        hub: 'a',
        home: 'home-1',
        zone: 'Europe/Berlin',
        generation: 1,
        retired_ms: 4000,
        maintenance: '[{"from_ms":1,"to_ms":2}]',
      })
      expect(registry.changes(bucketOf('a', BUCKETS), 2, 1).map(({ seq }) => seq)).toEqual([2])
    })

    test('the same record again is no change; a refused one leaves neither record nor event', () => {
      registry.putHub(hub('a', { generation: 2 }), 1000)
      registry.putHub(hub('a', { generation: 2 }), 1000)
      expect(() => registry.putHub(hub('a', { generation: 1 }), 2000)).toThrow(/generation/)
      expect(() => registry.putHub(hub('a', { zone: 'Mars/Up' }), 2000)).toThrow(/time zone/)
      expect(() => registry.putHub(hub('Not an id'), 2000)).toThrow(/hub/)
      expect(events(registry, 'a')).toHaveLength(1)
      expect(registry.history('a')).toHaveLength(1)
    })

    test('it is all there for another process, under the same boot', () => {
      registry.putHub(hub('a'), 1000)
      const token = registry.createToken({ app: 'panel', scopes: ['commands'], hubs: ['a'] })
      const other = tested.open(clock)
      expect([other.boot, other.wall_ms]).toEqual([registry.boot, registry.wall_ms])
      expect(other.hubs()).toEqual(registry.hubs())
      expect(events(other, 'a')).toEqual(events(registry, 'a'))
      expect(other.verifyToken(token)).toEqual({ app: 'panel', scopes: ['commands'], hubs: ['a'] })
      other.close()
    })

    test('a token opens until it expires or is revoked, and an invented one never does', () => {
      const identity = { source: 'a', role: 'hub', generation: 1 } as const
      const lasting = registry.createToken({ app: 'panel', scopes: ['telemetry'], identity })
      const short = registry.createToken({ app: 'guest', scopes: ['observe'] }, { expires_ms: clock.now() + 10 })
      expect(lasting).toMatch(/^hearth_[\w-]{43}$/)
      expect(registry.verifyToken(lasting).identity).toEqual(identity)
      expect(registry.verifyToken(short).app).toBe('guest')
      clock.jump(10)
      expect(() => registry.verifyToken(short)).toThrow(/expired/)
      registry.revokeToken('panel')
      expect(() => registry.verifyToken(lasting)).toThrow(/revoked/)
      expect(() => registry.verifyToken('hearth_invented')).toThrow(/not known/)
      expect(() => registry.revokeToken('panel')).toThrow(/no token/)
    })

    test('a certificate is good while its serial is known, its hub enrolled, its generation current', () => {
      const certificate = { source: 'a', generation: 1, serial: '0a:bc' }
      const entry = { ...certificate, role: 'hub', issued_ms: 1, expires_ms: 2 } as const
      const reason = () => {
        const answer = registry.allows({ ...certificate, serial: 'ABC' })
        return answer.ok ? 'good' : answer.reason
      }
      expect(reason()).toContain('not known')
      registry.recordCertificate(entry)
      expect(reason()).toContain('not enrolled')
      registry.putHub(hub('a'), 1000)
      expect(reason()).toBe('good')
      expect(registry.allows({ ...certificate, source: 'b' }).ok).toBe(false)
      expect(registry.allows({ ...certificate, generation: 2 }).ok).toBe(false)
      registry.retireHub('a', clock.now() + 1000)
      expect(reason()).toBe('good')
      clock.jump(1000)
      expect(reason()).toContain('retired')
      registry.putHub(hub('a', { generation: 2 }), clock.now())
      expect(reason()).toContain('enrolled anew')
    })

    test('a revoked certificate stays revoked, with its first reason', () => {
      registry.putHub(hub('a'), 1000)
      registry.recordCertificate({ source: 'a', generation: 1, serial: 'A1', role: 'hub', issued_ms: 1, expires_ms: 2 })
      registry.revokeCertificate('a1', 'stolen')
      registry.revokeCertificate('a1', 'again')
      expect(registry.allows({ source: 'a', generation: 1, serial: 'A1' })).toMatchObject({
        ok: false,
        reason: expect.stringContaining('stolen'),
      })
      expect(() => registry.revokeCertificate('ffff', 'x')).toThrow(/no certificate/)
    })

    test('an enrolment code is spent by one key, answers that key again, and expires', () => {
      registry.putHub(hub('a'), 1000)
      const code = registry.createCode('a')
      expect(registry.redeemCode(` ${code.toUpperCase()} `, 'key-1')).toEqual({ hub: 'a', generation: 1 })
      expect(registry.redeemCode(code, 'key-1')).toEqual({ hub: 'a', generation: 1 })
      expect(() => registry.redeemCode(code, 'key-2')).toThrow(/another device/)
      clock.jump(CODE_LIFE_MS)
      expect(() => registry.redeemCode(code, 'key-1')).toThrow(/expired/)
      expect(() => registry.redeemCode('nonsense', 'key-1')).toThrow(/not known/)
      expect(() => registry.createCode('nobody')).toThrow(/no hub/)
    })

    test('a device that takes the place of an enrolled hub gets the next generation, once', () => {
      registry.putHub(hub('a'), 1000)
      registry.recordCertificate({ source: 'a', generation: 1, serial: 'A1', role: 'hub', issued_ms: 1, expires_ms: 2 })
      const code = registry.createCode('a')
      expect(registry.redeemCode(code, 'key')).toEqual({ hub: 'a', generation: 2 })
      registry.recordCertificate({ source: 'a', generation: 2, serial: 'A2', role: 'hub', issued_ms: 1, expires_ms: 2 })
      expect(registry.redeemCode(code, 'key')).toEqual({ hub: 'a', generation: 2 })
      expect(registry.hub('a')?.generation).toBe(2)
      expect(events(registry, 'a').map(({ event }) => event.stage)).toEqual(['enrolled', 'enrolled'])
    })

    test('of the codes of a hub only the newest few are good', () => {
      registry.putHub(hub('a'), 1000)
      const codes = Array.from({ length: CODES_PER_HUB_MAX + 1 }, () => {
        clock.jump(1)
        return registry.createCode('a')
      })
      expect(() => registry.redeemCode(codes[0] ?? '', 'key')).toThrow(/not known/)
      expect(registry.redeemCode(codes[1] ?? '', 'key').hub).toBe('a')
    })

    test('a watcher hears of changes by this and by another process, and of nothing else', async () => {
      const other = tested.open(clock)
      let heard = 0
      const stop = registry.watch(() => heard++)
      await clock.advance(1000)
      expect(heard).toBe(0)
      registry.putHub(hub('a'), 1000)
      await clock.advance(1000)
      expect(heard).toBe(1)
      other.putHub(hub('b'), 1000)
      await clock.advance(1000)
      expect(heard).toBe(2)
      stop()
      other.putHub(hub('c'), 1000)
      await clock.advance(1000)
      expect(heard).toBe(2)
      other.close()
    })
  })
}
