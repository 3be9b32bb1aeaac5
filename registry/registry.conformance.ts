import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import type { HubRecord } from '../contract/registry-record.ts'
import { ManualClock } from '../sim/clock.ts'
import type { Administration } from './administration.ts'
import { CODE_LIFE_MS, CODES_PER_HUB_MAX } from './limits.ts'

/** `open` gives the same registry at each call, as another process would see it. */
export type RegistryUnderTest = {
  readonly open: (clock: ManualClock) => Promise<Administration>
  readonly dispose: () => Promise<void>
}

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
export function registryConformance(name: string, make: () => Promise<RegistryUnderTest>): void {
  describe(`${name} keeps the promises of a registry`, () => {
    let tested: RegistryUnderTest
    let registry: Administration
    let clock: ManualClock
    /** Time passes until a watcher was called `times`. */
    const hears = (heard: () => number, times: number) =>
      vi.waitFor(
        async () => {
          await clock.advance(1000)
          expect(heard()).toBe(times)
        },
        { timeout: 5_000 },
      )
    const events = (of: Administration, id: string) => of.changes(bucketOf(id, BUCKETS), 0, 100)

    beforeEach(async () => {
      tested = await make()
      clock = new ManualClock()
      registry = await tested.open(clock)
    })
    afterEach(async () => {
      await registry.close()
      await tested.dispose()
    })

    test('a hub is known over time, and its newest record is the default', async () => {
      await registry.putHub(hub('a'), 1000)
      await registry.putHub(hub('a', { zone: 'Asia/Tokyo' }), 2000)
      await registry.putHub(hub('b'), 1500)
      expect(registry.hubs(999)).toEqual([])
      expect(registry.hubs(1700).map((record) => [record.hub, record.zone])).toEqual([
        ['a', 'Europe/Berlin'],
        ['b', 'Europe/Berlin'],
      ])
      expect(registry.hub('a')?.zone).toBe('Asia/Tokyo')
      expect(registry.history('a').map((one) => one.valid_from_ms)).toEqual([1000, 2000])
      expect(registry.hub('c')).toBeUndefined()
    })

    test('a name that is none is refused in one sentence, and a hub that is not there where the others are', async () => {
      await expect(registry.putHub(hub('Bad Name', { home: 'Bad Name' }), 1000)).rejects.toThrow(
        /^a hub or home is named by [^;]*; found "Bad Name"$/,
      )
      await expect(registry.retireHub('nobody', 1000)).rejects.toThrow(
        'no hub "nobody" in the registry: hearth registry hubs lists them',
      )
    })

    test('each change is an event of its bucket, numbered from 0 without a gap, with the whole record', async () => {
      await registry.putHub(hub('a'), 1000)
      await registry.putHub(hub('a', { maintenance: [{ from_ms: 1, to_ms: 2 }] }), 2000)
      await registry.putHub(hub('a', { model: 'h2', maintenance: [{ from_ms: 1, to_ms: 2 }] }), 3000)
      await registry.retireHub('a', 4000)
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

    test('the same record again is no change; a refused one leaves neither record nor event', async () => {
      await registry.putHub(hub('a', { generation: 2 }), 1000)
      await registry.putHub(hub('a', { generation: 2 }), 1000)
      await expect(registry.putHub(hub('a', { generation: 1 }), 2000)).rejects.toThrow(/generation/)
      await expect(registry.putHub(hub('a', { zone: 'Mars/Up' }), 2000)).rejects.toThrow(/time zone/)
      await expect(registry.putHub(hub('Not an id'), 2000)).rejects.toThrow(/hub/)
      expect(events(registry, 'a')).toHaveLength(1)
      expect(registry.history('a')).toHaveLength(1)
    })

    test('it is all there for another process, under the same boot', async () => {
      await registry.putHub(hub('a'), 1000)
      const token = await registry.createToken({ app: 'panel', scopes: ['commands'], hubs: ['a'] })
      const other = await tested.open(clock)
      expect([other.boot, other.wall_ms]).toEqual([registry.boot, registry.wall_ms])
      expect(other.hubs()).toEqual(registry.hubs())
      expect(events(other, 'a')).toEqual(events(registry, 'a'))
      expect(other.verifyToken(token)).toEqual({ app: 'panel', scopes: ['commands'], hubs: ['a'] })
      await other.close()
    })

    test('a token opens until it expires or is revoked, and an invented one never does', async () => {
      const identity = { source: 'a', role: 'hub', generation: 1 } as const
      const lasting = await registry.createToken({ app: 'panel', scopes: ['telemetry'], identity })
      const short = await registry.createToken({ app: 'guest', scopes: ['observe'] }, { expires_ms: clock.now() + 10 })
      expect(lasting).toMatch(/^hearth_[\w-]{43}$/)
      expect(registry.verifyToken(lasting).identity).toEqual(identity)
      expect(registry.verifyToken(short).app).toBe('guest')
      clock.jump(10)
      expect(() => registry.verifyToken(short)).toThrow(/expired/)
      await registry.revokeToken('panel')
      expect(() => registry.verifyToken(lasting)).toThrow(/revoked/)
      expect(() => registry.verifyToken('hearth_invented')).toThrow(/not known/)
      await expect(registry.revokeToken('panel')).rejects.toThrow(/no token/)
    })

    test('a certificate is good while its serial is known, its hub enrolled, its generation current', async () => {
      const certificate = { source: 'a', generation: 1, serial: '0a:bc' }
      const entry = { ...certificate, role: 'hub', issued_ms: 1, expires_ms: 2 } as const
      const reason = () => {
        const answer = registry.allows({ ...certificate, serial: 'ABC' })
        return answer.ok ? 'good' : answer.reason
      }
      expect(reason()).toContain('not known')
      await registry.recordCertificate(entry)
      expect(reason()).toContain('not enrolled')
      await registry.putHub(hub('a'), 1000)
      expect(reason()).toBe('good')
      expect(registry.allows({ ...certificate, source: 'b' }).ok).toBe(false)
      expect(registry.allows({ ...certificate, generation: 2 }).ok).toBe(false)
      await registry.retireHub('a', clock.now() + 1000)
      expect(reason()).toBe('good')
      clock.jump(1000)
      expect(reason()).toContain('retired')
      await registry.putHub(hub('a', { generation: 2 }), clock.now())
      expect(reason()).toContain('enrolled anew')
    })

    test('a revoked certificate stays revoked, with its first reason', async () => {
      await registry.putHub(hub('a'), 1000)
      await registry.recordCertificate({
        source: 'a',
        generation: 1,
        serial: 'A1',
        role: 'hub',
        issued_ms: 1,
        expires_ms: 2,
      })
      await registry.revokeCertificate('a1', 'stolen')
      await registry.revokeCertificate('a1', 'again')
      expect(registry.allows({ source: 'a', generation: 1, serial: 'A1' })).toMatchObject({
        ok: false,
        reason: expect.stringContaining('stolen'),
      })
      await expect(registry.revokeCertificate('ffff', 'x')).rejects.toThrow(/no certificate/)
    })

    test('an enrolment code is spent by one key, answers that key again, and expires', async () => {
      await registry.putHub(hub('a'), 1000)
      const code = await registry.createCode('a')
      expect(await registry.redeemCode(` ${code.toUpperCase()} `, 'key-1')).toEqual({ hub: 'a', generation: 1 })
      expect(await registry.redeemCode(code, 'key-1')).toEqual({ hub: 'a', generation: 1 })
      await expect(registry.redeemCode(code, 'key-2')).rejects.toThrow(/another device/)
      clock.jump(CODE_LIFE_MS)
      await expect(registry.redeemCode(code, 'key-1')).rejects.toThrow(/expired/)
      await expect(registry.redeemCode('nonsense', 'key-1')).rejects.toThrow(/not known/)
      await expect(registry.createCode('nobody')).rejects.toThrow(/no hub/)
    })

    test('a device that takes the place of an enrolled hub gets the next generation, once', async () => {
      await registry.putHub(hub('a'), 1000)
      await registry.recordCertificate({
        source: 'a',
        generation: 1,
        serial: 'A1',
        role: 'hub',
        issued_ms: 1,
        expires_ms: 2,
      })
      const code = await registry.createCode('a')
      expect(await registry.redeemCode(code, 'key')).toEqual({ hub: 'a', generation: 2 })
      await registry.recordCertificate({
        source: 'a',
        generation: 2,
        serial: 'A2',
        role: 'hub',
        issued_ms: 1,
        expires_ms: 2,
      })
      expect(await registry.redeemCode(code, 'key')).toEqual({ hub: 'a', generation: 2 })
      expect(registry.hub('a')?.generation).toBe(2)
      expect(events(registry, 'a').map(({ event }) => event.stage)).toEqual(['enrolled', 'enrolled'])
    })

    const device = (serial: string, hub_id: string, key_hash?: string) => ({
      ...{ serial, hub: hub_id, home: 'home-1', region: 'eu', model: 'h1', zone: 'Europe/Berlin' },
      ...(key_hash === undefined ? {} : { key_hash }),
    })

    test('a device that is expected becomes its hub once, and the same key is answered the same again', async () => {
      const devices = [device('SN-0001', 'a'), device('SN-0002', 'b')]
      expect(await registry.expectDevices('spring', devices)).toBe(2)
      expect(await registry.expectDevices('spring', devices)).toBe(0)
      await expect(registry.expectDevices('autumn', [device('SN-0001', 'a')])).rejects.toThrow(
        /expected already, of batch spring/,
      )
      expect(registry.hubs()).toEqual([])
      for (let i = 0; i < 2; i++)
        expect(await registry.redeemClaim('spring', 'SN-0001', 'key-1')).toEqual({ hub: 'a', generation: 1 })
      await expect(registry.redeemClaim('spring', 'SN-0001', 'key-2')).rejects.toThrow(/has its certificate already/)
      await expect(registry.redeemClaim('autumn', 'SN-0002', 'key-1')).rejects.toThrow(
        /not? .*expected of batch autumn/,
      )
      await expect(registry.redeemClaim('spring', 'SN-9999', 'key-1')).rejects.toThrow(/SN-9999/)
      expect(registry.hub('a')).toMatchObject({ home: 'home-1', zone: 'Europe/Berlin', generation: 1 })
      expect(events(registry, 'a').map(({ event }) => event.stage)).toEqual(['enrolled'])
      expect((await registry.claims('spring')).map(({ serial, claimed_ms }) => [serial, claimed_ms])).toEqual([
        ['SN-0001', clock.now()],
        ['SN-0002', undefined],
      ])
      expect(await registry.claims('autumn')).toEqual([])
    })

    test('what a hub said last of the CAs that it trusts stands in the place of what it said before', async () => {
      expect(await registry.trust()).toEqual([])
      for (const serial of ['0a:1b', 'A1B', 'C2']) await registry.recordTrust({ hub: 'a', serial, cas: 'one' })
      await registry.recordTrust({ hub: 'b', serial: 'D3', cas: 'one' })
      await registry.recordTrust({ hub: 'a', serial: 'C2', cas: 'two' })
      expect(await registry.trust()).toEqual([
        { hub: 'a', serial: 'C2', cas: 'two' },
        { hub: 'b', serial: 'D3', cas: 'one' },
      ])
    })

    test('a claim takes no place of a hub that serves, was retired or enrolled anew, and no other key where one is known', async () => {
      const key = 'a'.repeat(64)
      const names = ['serves', 'retired', 'anew', 'bound', 'known']
      const devices = names.map((name) => device(`SN-${name}`, name, name === 'bound' ? key : undefined))
      await registry.expectDevices('spring', devices)
      const claim = (name: string, with_key: string) => registry.redeemClaim('spring', `SN-${name}`, with_key)
      for (const name of ['serves', 'retired', 'known']) await registry.putHub(hub(name), 1000)
      const entry = { source: 'serves', generation: 1, serial: 'A1', role: 'hub', issued_ms: 1, expires_ms: 2 } as const
      await registry.recordCertificate(entry)
      await registry.retireHub('retired', 2000)
      await expect(claim('serves', 'key')).rejects.toThrow(/has a certificate already/)
      await expect(claim('retired', 'key')).rejects.toThrow(/was retired/)
      await expect(claim('bound', 'b'.repeat(64))).rejects.toThrow(/another key/)
      expect(await claim('bound', key)).toEqual({ hub: 'bound', generation: 1 })
      expect(await claim('known', 'key')).toEqual({ hub: 'known', generation: 1 })
      await claim('anew', 'key')
      await registry.recordCertificate({ ...entry, source: 'anew', serial: 'A2' })
      await registry.redeemCode(await registry.createCode('anew'), 'key')
      await expect(claim('anew', 'key')).rejects.toThrow(/enrolled anew since/)
    })

    test('a list of devices with a bad one is refused as a whole, by its serial', async () => {
      const good = device('SN-0001', 'a')
      await expect(registry.expectDevices('spring', [good, device('SN-0002', 'Bad Id')])).rejects.toThrow(
        /SN-0002.*Bad Id/,
      )
      await expect(registry.expectDevices('spring', [good, device('no', 'b')])).rejects.toThrow(/4 to 64/)
      await expect(registry.expectDevices('spring', [device('SN-0003', 'c', 'XYZ')])).rejects.toThrow(
        /SN-0003.*SHA-256/,
      )
      await expect(registry.expectDevices('Bad Batch', [good])).rejects.toThrow(/Bad Batch/)
      expect(await registry.claims()).toEqual([])
    })

    test('of the codes of a hub only the newest few are good', async () => {
      await registry.putHub(hub('a'), 1000)
      const codes: string[] = []
      for (let i = 0; i <= CODES_PER_HUB_MAX; i++) {
        clock.jump(1)
        codes.push(await registry.createCode('a'))
      }
      await expect(registry.redeemCode(codes[0] ?? '', 'key')).rejects.toThrow(/not known/)
      expect((await registry.redeemCode(codes[1] ?? '', 'key')).hub).toBe('a')
    })

    test('a watcher hears of changes by this and by another process, and of nothing else', async () => {
      const other = await tested.open(clock)
      let heard = 0
      const stop = registry.watch(() => heard++)
      await clock.advance(1000)
      expect(heard).toBe(0)
      await registry.putHub(hub('a'), 1000)
      await hears(() => heard, 1)
      await other.putHub(hub('b'), 1000)
      await hears(() => heard, 2)
      stop()
      await other.putHub(hub('c'), 1000)
      await clock.advance(1000)
      expect(heard).toBe(2)
      await other.close()
    })
  })
}
