import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OUTCOMES } from '../contract/command.ts'
import { IDEMPOTENCY_WINDOW_MS } from '../contract/limits.ts'
import { Problem } from '../contract/problem.ts'
import { memoryDisk } from '../link/memory-disk.ts'
import type { PublishOutcome } from '../link/mqtt-handler.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import type { HubResult } from './command.ts'
import { commandCore } from './command-core.ts'
import { openLedger } from './ledger.ts'
import { UNWRITTEN_RETRY_MS } from './limits.ts'
import { liveFeed } from './live-event.ts'

const HUB = 'demo-01'
const ask = { app: 'app', hub: HUB, device: 'lamp', set: { powered: true }, deadline_ms: 1_000 }
const word = (command: string, stage: HubResult['stage']): HubResult => ({
  hearth: 1,
  type: 'result',
  command,
  stage,
  ms: 1,
})

let runs = 0

/** A run of the relay over a disk that outlives it. */
async function start(clock = new ManualClock(), disk = memoryDisk()) {
  const random = seededRandom(++runs)
  const fault = (error: unknown) => {
    throw error
  }
  const layout = { epoch: 1, buckets: 4 }
  const ledger = await openLedger({ disk, clock, random, source: 'relay-0', layout, version: '1', fault })
  const sent: string[] = []
  const socket: { answer: PublishOutcome } = { answer: 'sent' }
  const feed = liveFeed()
  const core = commandCore({
    fleet: 'demo',
    clock,
    random,
    ledger,
    feed,
    link: {
      send: (_hub, _epoch, message) => {
        if (socket.answer === 'sent' && message.type === 'command') {
          // Whatever goes to a hub is in the ledger first.
          expect(ledger.find(message.command)?.stages.map(({ stage }) => stage)).toEqual(['issued', 'routed'])
          sent.push(message.command)
        }
        return socket.answer
      },
    },
  })
  return { core, clock, disk, sent, socket, ledger, feed }
}

type Run = Awaited<ReturnType<typeof start>>

describe('a command', () => {
  test.each([
    ['executed in time', ['executed'], 0, 'done'],
    ['executed after the deadline', ['executed'], 1_001, 'late'],
    ['refused by the hub', ['rejected'], 0, 'rejected'],
    ['of which the hub died', ['interrupted'], 0, 'interrupted'],
    ['of which nothing is heard', [], 1_001, 'expired'],
    ['only received', ['received'], 1_001, 'expired'],
    ['refused after the deadline', ['rejected'], 1_001, 'rejected'],
    ['told twice', ['executed', 'executed'], 0, 'done'],
  ] as const)('%s', async (_name, stages, wait_ms, outcome) => {
    const { core, clock, ledger } = await start()
    core.connected(HUB, '1.1.1')
    const { command } = core.issue(ask)
    if (wait_ms > 0) await clock.advance(wait_ms)
    for (const stage of stages) core.result(HUB, word(command.id, stage))
    expect(core.find(command.id)?.outcome).toBe(outcome)
    expect(ledger.find(command.id)?.outcome).toBe(outcome)
  })

  test('is told to who listens in order, and no outcome of it before the ledger has that', async () => {
    const { core, ledger, feed } = await start()
    const heard: string[] = []
    feed.observe((event) => {
      if (event.type === 'issued') heard.push('issued')
      else if (event.type === 'stage') heard.push(`${event.stage} by ${event.by}`)
      const told = event.type === 'outcome' || (event.type === 'stage' && event.stage === 'done')
      if (told) expect(ledger.find(command.id)?.outcome).toBe('done')
    })
    core.connected(HUB, '1.1.1')
    const { command } = core.issue(ask)
    core.result(HUB, word(command.id, 'executed'))
    expect(heard).toEqual([
      'issued',
      ...['routed by relay', 'sent by relay', 'executed by hub', 'acked by relay', 'done by relay'],
    ])
  })

  test('that the ledger refuses is told to nobody', async () => {
    const { core, disk, feed } = await start()
    const heard: string[] = []
    feed.observe(({ type }) => heard.push(type))
    core.connected(HUB, '1.1.1')
    disk.write = () => {
      throw new Problem('limit', 'the disk is full')
    }
    expect(() => core.issue(ask)).toThrow(/ledger cannot be written/)
    expect(heard).toEqual([])
  })

  test.each([
    ['gone', 'offline', /ended before it was sent/],
    ['unsubscribed', 'offline', /does not listen/],
    ['too-large', 'rejected', /Maximum Packet Size/],
  ] as const)('that its hub cannot be sent (%s) is told why', async (answer, outcome, reason) => {
    const { core, socket } = await start()
    socket.answer = answer
    core.connected(HUB, '1.1.1')
    expect(core.issue(ask).command).toMatchObject({ outcome, reason: expect.stringMatching(reason) })
  })

  test('to a hub that is not there is offline at once', async () => {
    const { core, sent } = await start()
    expect(core.issue(ask).command.outcome).toBe('offline')
    expect(sent).toEqual([])
  })

  test('that the socket did not take is offline at a take-over, one that it took is never sent again', async () => {
    const { core, sent, socket } = await start()
    core.connected(HUB, '1.1.1')
    const first = core.issue(ask).command
    socket.answer = 'full'
    const second = core.issue(ask).command
    socket.answer = 'sent'
    core.connected(HUB, '1.1.2')
    core.drained(HUB)
    expect([first.outcome, second.outcome, sent]).toEqual([undefined, 'offline', [first.id]])
  })

  test('is not ended by what another hub says', async () => {
    const { core } = await start()
    core.connected(HUB, '1.1.1')
    const { command } = core.issue(ask)
    core.result('demo-02', word(command.id, 'executed'))
    expect(command.outcome).toBeUndefined()
  })

  test('waits in order while the socket is full', async () => {
    const { core, sent, socket } = await start()
    core.connected(HUB, '1.1.1')
    socket.answer = 'full'
    const ids = [1, 2, 3].map(() => core.issue(ask).command.id)
    socket.answer = 'sent'
    core.drained(HUB)
    expect(sent).toEqual(ids)
  })
})

describe('a repeat', () => {
  test('is the same command, also after midnight; with another body it is refused', async () => {
    const { core, clock, sent } = await start(new ManualClock(Date.UTC(2026, 10, 24, 23, 59, 59, 900)))
    core.connected(HUB, '1.1.1')
    const { command } = core.issue({ ...ask, key: 'key' })
    await clock.advance(200)
    expect(core.issue({ ...ask, key: 'key' }).command).toBe(command)
    expect(core.issue({ ...ask, key: 'key', day: '2026-11-24' }).command).toBe(command)
    expect(() => core.issue({ ...ask, key: 'key', set: { powered: false } })).toThrow(/another command/)
    expect(sent).toEqual([command.id])
  })
})

test.each([
  ['a second later, though no other command comes', async (run: Run) => run.clock.advance(UNWRITTEN_RETRY_MS)],
  ['when it ends before', async (run: Run) => run.core.close()],
])('an outcome that the disk refused is written %s', async (_name, goOn) => {
  const run = await start()
  run.core.connected(HUB, '1.1.1')
  const { command } = run.core.issue(ask)
  const { write } = run.disk
  run.disk.write = () => {
    throw new Problem('unavailable', 'cannot be written: EIO')
  }
  run.core.result(HUB, word(command.id, 'executed'))
  expect([command.outcome, run.ledger.find(command.id)?.outcome]).toEqual(['done', undefined])
  run.disk.write = write
  await goOn(run)
  expect(run.ledger.find(command.id)?.outcome).toBe('done')
  const again = await start(new ManualClock(run.clock.now()), run.disk)
  expect(again.core.recover()).toBe(0)
})

test('an outcome that the disk refused is improved on, though the clock jumps past the time that commands are kept', async () => {
  const run = await start()
  run.core.connected(HUB, '1.1.1')
  const { command } = run.core.issue(ask)
  run.disk.write = () => {
    throw new Problem('unavailable', 'cannot be written: EIO')
  }
  run.clock.jump(2 * IDEMPOTENCY_WINDOW_MS)
  await run.clock.advance(1_001)
  run.core.result(HUB, word(command.id, 'executed'))
  expect(run.core.find(command.id)?.outcome).toBe('late')
})

test.each([-3_600_000, 3_600_000])(
  'a wall clock that is set by %d ms makes no result late, and none in time',
  async (set_ms) => {
    const { core, clock } = await start()
    const soon = core.issue({ ...ask, key: 'soon' }).command
    const late = core.issue({ ...ask, key: 'late' }).command
    expect([soon.outcome, late.outcome]).toEqual(['offline', 'offline'])
    core.connected(HUB, '1.1.1')
    clock.jump(set_ms)
    await clock.advance(200)
    core.result(HUB, word(soon.id, 'executed'))
    await clock.advance(10_000)
    core.result(HUB, word(late.id, 'executed'))
    expect(core.find(soon.id)).toMatchObject({
      outcome: 'done',
      stages: expect.arrayContaining([expect.objectContaining({ stage: 'acked', ms: 200 })]),
    })
    expect(core.find(late.id)).toMatchObject({ outcome: 'late' })
  },
)

test('a stage that a hub tells of a finished command again and again is told and kept once', async () => {
  const { core } = await start()
  core.connected(HUB, '1.1.1')
  const { command } = core.issue(ask)
  core.result(HUB, word(command.id, 'executed'))
  for (let i = 0; i < 3; i++) core.result(HUB, word(command.id, 'received'))
  expect(core.find(command.id)?.stages.filter(({ stage }) => stage === 'received')).toHaveLength(1)
})

test('a relay that died closes what it left open as expired, and late when the hub tells', async () => {
  const before = await start()
  before.core.connected(HUB, '1.1.1')
  const { command } = before.core.issue(ask)
  before.core.close()
  const after = await start(new ManualClock(before.clock.now() + 60_000), before.disk)
  expect(after.core.recover()).toBe(1)
  expect(after.core.find(command.id)?.outcome).toBe('expired')
  after.core.connected(HUB, '1.1.2')
  after.core.result(HUB, word(command.id, 'executed'))
  expect(after.core.find(command.id)?.outcome).toBe('late')
  expect(after.sent).toEqual([])
  const again = await start(new ManualClock(after.clock.now()), after.disk)
  expect(again.core.recover()).toBe(0)
})

test.each([
  ['is done when the hub tells in time', ['executed'], 'done'],
  ['expires when it does not: it may have been sent', [], 'expired'],
] as const)('a command that a relay left open and its next run takes up %s', async (_name, stages, outcome) => {
  const before = await start()
  before.core.connected(HUB, '1.1.1')
  const { command } = before.core.issue(ask)
  before.core.close()
  const after = await start(new ManualClock(command.issued + 300), before.disk)
  expect(after.core.recover()).toBe(1)
  for (const stage of stages) after.core.result(HUB, word(command.id, stage))
  await after.clock.advance(701)
  expect(after.core.find(command.id)?.outcome).toBe(outcome)
  expect(after.sent).toEqual([])
})

test('what expired stays late, also for a relay that restarts with its clock set back', async () => {
  const before = await start()
  before.core.connected(HUB, '1.1.1')
  const { command } = before.core.issue(ask)
  await before.clock.advance(1_001)
  expect(command.outcome).toBe('expired')
  before.core.close()
  const after = await start(new ManualClock(command.issued - 3_600_000), before.disk)
  after.core.result(HUB, word(command.id, 'executed'))
  expect(after.core.find(command.id)?.outcome).toBe('late')
})

test('an outcome only moves to one that counts more, whatever hubs say and whenever', async () => {
  const step = fc.record({
    wait_ms: fc.nat(700),
    stage: fc.constantFrom<HubResult['stage']>('received', 'executed', 'rejected', 'expired', 'interrupted'),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
      const { core, clock, sent } = await start()
      core.connected(HUB, '1.1.1')
      const { command } = core.issue(ask)
      let rank: number = OUTCOMES.length
      for (const { wait_ms, stage } of steps) {
        await clock.advance(wait_ms)
        core.result(HUB, word(command.id, stage))
        const next = command.outcome === undefined ? OUTCOMES.length : OUTCOMES.indexOf(command.outcome)
        expect(next).toBeLessThanOrEqual(rank)
        rank = next
      }
      await clock.advance(2_000)
      expect(command.outcome).toBeDefined()
      expect(sent).toEqual([command.id])
    }),
    { numRuns: 60 },
  )
})
