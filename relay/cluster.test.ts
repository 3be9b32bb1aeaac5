import { describe, expect, test } from 'vitest'
import type { Problem } from '../contract/problem.ts'
import { ManualClock, settle } from '../sim/clock.ts'
import { ask, DAY, DAY_MS, elsewhere, executedAtB, fleet, HUB, unanswered, unreachable } from './cluster.fixture.ts'
import type { Directory } from './directory.ts'
import { APP_RATE, DIRECTORY_WAIT_MS, HUB_RATE, PEER_AGAIN_MS } from './limits.ts'

describe('a command', () => {
  test('for a hub that is connected here is issued in the same turn, and nobody is asked', async () => {
    const { a, asked } = await fleet(['a', 'b'])
    a.core.connected(HUB, '1.1.1')
    a.state.directory = { ...a.own, find: unreachable }
    const issued = a.issue(ask, 'settled')
    expect('command' in issued && a.sent).toEqual(['command' in issued && issued.command.id])
    expect(asked).toEqual([])
  })

  test('for a hub at another relay is issued, sent and recorded there alone, and its outcome told here', async () => {
    const world = await fleet(['a', 'b'])
    await world.b.hold('1.1.1')
    const report = await executedAtB(world)
    expect(report.outcome).toBe('done')
    expect(world.b.ledger.find(report.command)?.outcome).toBe('done')
    expect(world.a.ledger.find(report.command)).toBeUndefined()
    expect([world.a.sent, world.b.sent]).toEqual([[], [report.command]])
  })

  test('is told of as soon as its holder issued it, where that is asked', async () => {
    const world = await fleet(['a', 'b'])
    await world.b.hold('1.1.1')
    const { report } = elsewhere(world.a.issue(ask, 'accepted'))
    expect((await report).outcome).toBeUndefined()
    expect((await world.a.locate((await report).command))?.report.stages.map(({ stage }) => stage)).toContain('sent')
  })

  test.each<[string, (world: Awaited<ReturnType<typeof fleet>>) => Promise<void>]>([
    ['a hub that nobody holds', async () => undefined],
    ['a hub whose place is here, and which is not', async ({ a }) => void (await a.own.claim(HUB, '1.1.1'))],
    ['a relay that does not have the hub', async ({ b }) => void (await b.own.claim(HUB, '1.1.1'))],
    [
      'a relay that cannot be reached',
      async ({ b, services }) => {
        await b.hold('1.1.1')
        services.delete('b')
      },
    ],
  ])('for %s ends offline, on the record of the relay that was asked', async (_, prepare) => {
    const world = await fleet(['a', 'b'])
    await prepare(world)
    const { report } = elsewhere(world.a.issue(ask, 'settled'))
    const { outcome, command } = await report
    expect([outcome, world.a.ledger.find(command)?.outcome, world.b.sent]).toEqual(['offline', 'offline', []])
  })

  test('for a hub of a relay that is going away was not issued, and is to be sent again', async () => {
    const world = await fleet(['a', 'b'])
    await world.b.hold('1.1.1')
    void world.b.core.drain()
    const { report } = elsewhere(world.a.issue({ ...ask, key: 'key', day: DAY }, 'settled'))
    const refused = expect(report).rejects.toMatchObject({ kind: 'unavailable', outcome: 'did-not-happen' })
    await world.clock.advance(ask.deadline_ms)
    await refused
    expect(world.a.core.repeatOf({ ...ask, key: 'key', day: DAY })).toBeUndefined()
  })

  test.each([
    ['another relay', 2],
    ['this relay', 0],
  ])('for a hub of a relay that is going away waits until the hub is at %s', async (_, at) => {
    const { a, clock, relay } = await fleet(['a', 'b', 'c'])
    const [b, next] = [relay(1), relay(at)]
    await b.hold('1.1.1')
    void b.core.drain()
    const { report } = elsewhere(a.issue(ask, 'accepted'))
    await clock.advance(3 * PEER_AGAIN_MS)
    await next.hold('1.1.2')
    await clock.advance(2 * PEER_AGAIN_MS)
    expect([next.sent, b.sent]).toEqual([[(await report).command], []])
  })

  test.each([
    ['behind', -DAY_MS],
    ['a minute behind', -60_000],
    ['ahead', DAY_MS],
    ['two days ahead', 2 * DAY_MS],
  ])('of a key without a day is the same one by way of a relay whose clock is %s', async (_, ahead_ms) => {
    const world = await fleet(['a', 'b'], ahead_ms)
    const { clock, a, b } = world
    // Just past midnight.
    await clock.advance(DAY_MS - (clock.now() % DAY_MS) + 50)
    await b.hold('1.1.1')
    const request = { ...ask, key: 'key' }
    const { command } = b.core.issue(request)
    b.executed(command.id)
    const { report } = elsewhere(a.issue(request, 'settled'))
    expect([(await report).command, b.sent]).toEqual([command.id, [command.id]])
  })

  test('of a key that was used at another relay is refused with another body, and not sent again with the same, once its hub is here', async () => {
    const world = await fleet(['a', 'b'])
    await world.b.hold('1.1.1')
    const { command } = await executedAtB(world)
    await world.a.hold('1.1.2')
    const request = { ...ask, key: 'key', day: DAY }
    expect(await elsewhere(world.a.issue(request, 'settled')).report).toMatchObject({ command, outcome: 'done' })
    const other = { ...request, set: { powered: false } }
    expect(() => world.a.issue(other, 'settled')).toThrow(/the Idempotency-Key was used for another command/)
    expect(world.a.sent).toEqual([])
  })

  test('that is on its way to another relay is waited for by who closes this one', async () => {
    const world = await fleet(['a', 'b'])
    await world.b.hold('1.1.1')
    const report = executedAtB(world)
    let drained = false
    const drain = world.a.drain().then(() => (drained = true))
    expect(drained).toBe(false)
    await report
    await drain
  })

  test.each<[string, Directory['find']]>([
    ['is away', async () => unreachable()],
    ['is silent', () => new Promise(() => undefined)],
  ])('while the directory %s ends on what this relay knows, and says so', async (_, find) => {
    const { a, clock } = await fleet(['a', 'b'])
    a.state.directory = { ...a.own, find }
    const { report } = elsewhere(a.issue(ask, 'settled'))
    await clock.advance(DIRECTORY_WAIT_MS)
    expect(await report).toMatchObject({ outcome: 'offline', reason: expect.stringContaining('directory') })
  })

  test('follows its hub to the relay that it moved to meanwhile', async () => {
    const { a, relay, ways } = await fleet(['a', 'b', 'c'])
    const [b, c] = [relay(1), relay(2)]
    await b.own.claim(HUB, '1.1.1')
    ways.set('b', async (_command, arrive) => {
      await c.hold('1.1.2')
      return arrive()
    })
    const { report } = elsewhere(a.issue(ask, 'accepted'))
    expect(c.sent).toEqual([(await report).command])
    expect(b.sent).toEqual([])
  })

  test('whose answer is lost is asked for again, and was issued once', async () => {
    const world = await fleet(['a', 'b'])
    await world.b.hold('1.1.1')
    world.ways.set('b', unanswered)
    const report = executedAtB(world)
    await settle()
    world.ways.delete('b')
    await world.clock.advance(PEER_AGAIN_MS)
    expect([(await report).outcome, world.b.sent.length, world.asked.length]).toEqual(['done', 1, 2])
    expect(world.asked.map(({ deadline_ms }) => deadline_ms)).toEqual([1_000, 1_000 - PEER_AGAIN_MS])
  })

  test('whose holder fell silent is never called offline, neither at first nor when its app asks again', async () => {
    const world = await fleet(['a', 'b'])
    const { a, b, clock, services, ways } = world
    await b.hold('1.1.1')
    ways.set('b', unanswered)
    const first = expect(elsewhere(a.issue({ ...ask, key: 'key', day: DAY }, 'settled')).report).rejects.toMatchObject({
      kind: 'unavailable',
      outcome: 'unknown',
    })
    await settle()
    services.delete('b')
    await clock.advance(3_000)
    await first
    await b.own.close()
    ways.delete('b')
    const again = elsewhere(a.issue({ ...ask, key: 'key', day: DAY }, 'settled')).report
    await expect(again).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
    expect(a.core.openCount()).toBe(0)
  })

  test('that fell silent at one relay is not called offline by the next, whose hub left before it was sent', async () => {
    const world = await fleet(['a', 'b', 'c'])
    const { a, b, clock, services, ways } = world
    await b.hold('1.1.1')
    ways.set('b', unanswered)
    const first = expect(elsewhere(a.issue({ ...ask, key: 'key', day: DAY }, 'settled')).report).rejects.toThrow(
      'silent',
    )
    await settle()
    services.delete('b')
    await clock.advance(3_000)
    await first
    await world.relay(2).own.claim(HUB, '1.1.2')
    ways.set('c', async (command) => {
      const { command: issued } = world.relay(2).core.issue(command)
      return { away: false, report: await world.relay(2).core.settled(issued) }
    })
    const again = elsewhere(a.issue({ ...ask, key: 'key', day: DAY }, 'settled')).report
    await expect(again).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
  })

  test('whose app has gone is waited for no longer, and goes on', async () => {
    const world = await fleet(['a', 'b'])
    await world.b.hold('1.1.1')
    const { report, leave } = elsewhere(world.a.issue(ask, 'settled'))
    const gone = expect(report).rejects.toMatchObject({ kind: 'closed', outcome: 'unknown' })
    await settle()
    leave()
    await gone
    const [command = ''] = world.b.sent
    world.b.executed(command)
    expect(world.b.ledger.find(command)?.outcome).toBe('done')
  })
})

describe('a repeat', () => {
  test('at another relay is the same command', async () => {
    const world = await fleet(['a', 'b', 'c'])
    await world.b.hold('1.1.1')
    const report = await executedAtB(world)
    const again = elsewhere(world.relay(2).issue({ ...ask, key: 'key', day: DAY }, 'settled'))
    expect((await again.report).command).toBe(report.command)
    expect(world.b.sent).toEqual([report.command])
  })

  test('after midnight without its day is the same command, at the holder and through others', async () => {
    const clock = new ManualClock(Date.UTC(2026, 10, 24, 23, 59, 59, 900))
    const world = await fleet(['a', 'b'], 0, clock)
    await world.b.hold('1.1.1')
    const first = await elsewhere(world.a.issue({ ...ask, key: 'key' }, 'accepted')).report
    await clock.advance(200)
    const again = await elsewhere(world.a.issue({ ...ask, key: 'key' }, 'accepted')).report
    const other = await elsewhere(world.a.issue({ ...ask, key: 'key', day: '2026-11-25' }, 'accepted')).report
    expect(again.command).toBe(first.command)
    expect(other.command).not.toBe(first.command)
  })

  test('of what this relay issued is answered here, wherever its hub is now', async () => {
    const { a, b, asked } = await fleet(['a', 'b'])
    await a.hold('1.1.1')
    const first = a.issue({ ...ask, key: 'key' }, 'settled')
    a.core.disconnected(HUB, '1.1.1')
    await b.hold('1.1.2')
    const again = a.issue({ ...ask, key: 'key' }, 'settled')
    expect('command' in again && 'command' in first && again.command === first.command).toBe(true)
    expect([asked, b.sent]).toEqual([[], []])
  })

  test('of what this relay was told is never called offline, though its holder is gone', async () => {
    const world = await fleet(['a', 'b'])
    await world.b.hold('1.1.1')
    const first = await executedAtB(world)
    world.services.delete('b')
    await world.b.own.close()
    expect(await elsewhere(world.a.issue({ ...ask, key: 'key', day: DAY }, 'settled')).report).toEqual(first)
  })

  test('with another body is refused by the holder, by its words', async () => {
    const world = await fleet(['a', 'b'])
    await world.b.hold('1.1.1')
    await executedAtB(world)
    const other = elsewhere(world.a.issue({ ...ask, set: { powered: false }, key: 'key', day: DAY }, 'settled'))
    await expect(other.report).rejects.toMatchObject({ kind: 'conflict', outcome: 'did-not-happen' })
  })
})

describe('a rate', () => {
  test('of an app counts at the relay that it asks, and that to a hub at the one that issues', async () => {
    const { a, b, clock } = await fleet(['a', 'b'])
    await b.hold('1.1.1')
    const told = async (): Promise<string> =>
      elsewhere(a.issue(ask, 'accepted')).report.then(
        () => 'issued',
        (error: Problem) => error.kind,
      )
    const kinds: unknown[] = []
    for (let i = 0; i <= HUB_RATE.burst; i++) {
      kinds.push(await told())
      for (const id of b.sent.splice(0)) b.executed(id)
    }
    expect(kinds.indexOf('limit')).toBe(HUB_RATE.burst)
    for (let i = kinds.length; i < APP_RATE.burst; i++) await told()
    expect(() => a.issue(ask, 'settled')).toThrow('too many commands from app app')
    // What came by way of others does not count against the app at the holder.
    await clock.advance(1_000)
    expect('command' in b.issue(ask, 'settled')).toBe(true)
  })
})

describe('a command by its id', () => {
  test('is found at the relay that has it by one that never heard of it, and nowhere for any other text', async () => {
    const world = await fleet(['a', 'b', 'c'])
    await world.b.hold('1.1.1')
    const { command } = await executedAtB(world)
    expect(await world.relay(2).locate(command)).toMatchObject({ app: 'app', report: { outcome: 'done' } })
    expect(await world.relay(2).locate('no id')).toBeUndefined()
    expect(await world.relay(2).locate('0'.repeat(32))).toBeUndefined()
  })

  test('is told by its best outcome where several relays know it', async () => {
    const world = await fleet(['a', 'b', 'c'])
    await elsewhere(world.a.issue({ ...ask, key: 'key', day: DAY }, 'settled')).report
    await world.b.hold('1.1.1')
    const again = world.b.issue({ ...ask, key: 'key', day: DAY }, 'settled')
    for (const id of world.b.sent) world.b.executed(id)
    const { command } = await world.b.tell(again)
    expect((await world.relay(2).locate(command))?.report.outcome).toBe('done')
  })
})
