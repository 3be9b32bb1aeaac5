import { describe, expect, it } from 'vitest'
import { commandHash, type HubBound, type RelayBound } from '../contract/command.ts'
import type { Event } from '../contract/event.ts'
import { Problem } from '../contract/problem.ts'
import { type MemoryDisk, memoryDisk } from '../link/memory-disk.ts'
import { ManualClock, settle } from '../sim/clock.ts'
import type { Devices } from './devices.ts'
import { type Executor, openExecutor } from './executor.ts'
import { COMMANDS_WAITING_MAX, JOURNAL_KEEP_MS } from './limits.ts'

type Actuation = { device: string; set: unknown; confirm: () => void; fail: (error: unknown) => void }

/** A bench of one hub: devices that do as the test says, and everything that was told. */
function bench(options: { disk?: MemoryDisk; clock?: ManualClock } = {}) {
  const disk = options.disk ?? memoryDisk()
  const clock = options.clock ?? new ManualClock()
  const actuations: Actuation[] = []
  const told: Extract<RelayBound, { type: 'result' }>[] = []
  const recorded: Event[] = []
  const faults: unknown[] = []
  const devices: Devices = {
    list: () => [{ device: 'lamp', type: 'lamp', attributes: ['powered'] }],
    actuate: (device, set, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Problem('unavailable', 'gone', { outcome: 'unknown' })))
        actuations.push({ device, set, confirm: resolve, fail: reject })
      }),
    subscribe: () => () => {},
    close: async () => {},
  }
  const executor: Executor = openExecutor({
    disk,
    devices,
    clock,
    origin_ms: clock.monotonic(),
    tell: (result) => told.push(result),
    record: (event) => recorded.push(event),
    fault: (error) => faults.push(error),
  })
  executor.begin({ generation: 1, counter: 1, connect: 1 })
  return { disk, clock, actuations, told, recorded, faults, executor, stages: () => told.map((each) => each.stage) }
}

function command(
  id: string,
  change: Partial<Extract<HubBound, { type: 'command' }>> = {},
): Extract<HubBound, { type: 'command' }> {
  const device = change.device ?? 'lamp'
  const set = change.set ?? { powered: true }
  return {
    hearth: 1,
    type: 'command',
    command: id,
    hash: commandHash({ device, set }),
    device,
    set,
    issued: 1_764_000_000_000,
    stamp: 0,
    left_ms: 5_000,
    epoch: '1.1.1',
    ...change,
  }
}

describe('a command', () => {
  it('is received, carried out once and told with its durations, to the relay and to the control stream', async () => {
    const { executor, clock, actuations, told, recorded } = bench()
    executor.receive(command('a'))
    await settle()
    await clock.advance(40)
    actuations[0]?.confirm()
    await settle()
    expect(told).toEqual([
      { hearth: 1, type: 'result', command: 'a', stage: 'received', ms: 0, issued: 1_764_000_000_000 },
      { hearth: 1, type: 'result', command: 'a', stage: 'executed', ms: 40, issued: 1_764_000_000_000 },
    ])
    const what = { kind: 'command', command: 'a', issued: 1_764_000_000_000, device: 'lamp', device_type: 'lamp' }
    expect(recorded).toEqual([
      { m: 0, stage: 'received', ms: 0, ...what },
      { m: 40, stage: 'executed', ms: 40, ...what },
    ])
  })

  it('is in the journal, synced, before the device hears of it', async () => {
    const { executor, disk, actuations } = bench()
    executor.receive(command('a'))
    await settle()
    expect(actuations).toHaveLength(1)
    // A power cut now: what was only written is gone, what was synced is there.
    const after = bench({ disk: disk.crash() })
    expect(after.told).toMatchObject([{ command: 'a', stage: 'interrupted' }])
    expect(after.recorded).toMatchObject([{ command: 'a', stage: 'interrupted', issued: 1_764_000_000_000 }])
  })

  it('that a crash interrupted is told once and never carried out again', async () => {
    const first = bench()
    first.executor.receive(command('a'))
    await settle()
    const second = bench({ disk: first.disk.kill() })
    second.executor.receive(command('a'))
    await settle()
    expect(second.stages()).toEqual(['interrupted', 'interrupted'])
    expect(second.actuations).toHaveLength(0)
    expect(second.recorded).toHaveLength(1)
    const third = bench({ disk: second.disk.crash() })
    expect(third.actuations).toHaveLength(0)
  })

  it('is on record before the journal closes it, so that no crash in between leaves it untold', async () => {
    const first = bench()
    const atClosing: unknown[] = []
    const write = first.disk.write
    first.disk.write = (changes) => {
      if (changes.some((each) => 'delete' in each)) atClosing.push(first.recorded.at(-1)?.['stage'])
      write(changes)
    }
    first.executor.receive(command('a'))
    await settle()
    first.actuations[0]?.confirm()
    first.executor.receive(command('b'))
    await settle()
    expect(atClosing).toEqual(['executed'])
    // The plug is pulled as the next start closes what was interrupted: it is told at the start after that.
    const disk = first.disk.kill()
    disk.fill(1)
    const second = bench({ disk })
    expect(second.recorded).toMatchObject([{ command: 'b', stage: 'interrupted' }])
    expect(second.faults).toHaveLength(1)
    expect(bench({ disk: disk.kill() }).recorded).toMatchObject([{ command: 'b', stage: 'interrupted' }])
  })

  it('repeated is answered from the journal, after a restart too, and done once', async () => {
    const first = bench()
    first.executor.receive(command('a'))
    await settle()
    first.executor.receive(command('a'))
    first.actuations[0]?.confirm()
    await settle()
    first.executor.receive(command('a'))
    expect(first.stages()).toEqual(['received', 'received', 'executed', 'executed'])
    expect(first.actuations).toHaveLength(1)
    const second = bench({ disk: first.disk.kill() })
    second.executor.receive(command('a'))
    await settle()
    expect(second.stages()).toEqual(['executed'])
    expect(second.actuations).toHaveLength(0)
  })

  it('with the id of another command is refused', async () => {
    const { executor, actuations, told } = bench()
    executor.receive(command('a'))
    await settle()
    actuations[0]?.confirm()
    await settle()
    executor.receive(command('a', { set: { powered: false } }))
    await settle()
    expect(told.at(-1)).toMatchObject({ stage: 'rejected', reason: 'this id was used for another command' })
    expect(actuations).toHaveLength(1)
  })

  it('of an older session is refused, of this and a newer one done', async () => {
    const { executor, actuations, stages } = bench()
    executor.begin({ generation: 1, counter: 2, connect: 5 })
    executor.receive(command('old', { epoch: '1.2.4' }))
    executor.receive(command('older', { epoch: '1.1.9' }))
    executor.receive(command('same', { epoch: '1.2.5' }))
    await settle()
    expect(stages()).toEqual(['rejected', 'rejected', 'received'])
    expect(actuations).toHaveLength(1)
  })

  it('that the device refuses is rejected with its reason; one that nobody confirmed is expired, for it may have happened', async () => {
    const { executor, actuations, told } = bench()
    executor.receive(command('no'))
    executor.receive(command('lost', { device: 'lock', set: { locked: true } }))
    await settle()
    actuations[0]?.fail(new Problem('invalid', 'no device lamp'))
    actuations[1]?.fail(new Problem('unavailable', 'no answer', { outcome: 'unknown' }))
    await settle()
    expect(told.slice(2)).toMatchObject([
      { command: 'no', stage: 'rejected', reason: 'no device lamp' },
      { command: 'lost', stage: 'expired', reason: 'no answer' },
    ])
  })

  it('is not carried out when it cannot be written down', async () => {
    const { executor, disk, actuations, told, faults } = bench()
    disk.fill(1)
    executor.receive(command('a'))
    await settle()
    expect(told.at(-1)).toMatchObject({ stage: 'rejected' })
    expect(actuations).toHaveLength(0)
    expect(faults).toHaveLength(1)
  })

  it('confirmed after its deadline is still told as executed, and given up after the grace', async () => {
    const { executor, clock, actuations, told } = bench()
    executor.receive(command('slow', { left_ms: 1_000 }))
    executor.receive(command('never', { left_ms: 1_000, device: 'lock' }))
    await settle()
    await clock.advance(3_000)
    actuations[0]?.confirm()
    await settle()
    expect(told.at(-1)).toMatchObject({ command: 'slow', stage: 'executed', ms: 3_000 })
    await clock.advance(4_000)
    expect(told.at(-1)).toMatchObject({ command: 'never', stage: 'expired' })
  })
})

describe('not after its time', () => {
  it('what lay in a socket longer than was left expires, and the device hears nothing', async () => {
    const { executor, clock, actuations, stages } = bench()
    executor.receive({ hearth: 1, type: 'clock', stamp: 500_000 })
    await clock.advance(6_000)
    // Stamped 100 ms after the echo, so it lay 5.9 s on its way, of 5 s left.
    executor.receive(command('late', { stamp: 500_100 }))
    // Stamped 5 s after the echo: 1 s on its way.
    executor.receive(command('timely', { stamp: 505_000 }))
    await settle()
    expect(stages()).toEqual(['expired', 'received'])
    expect(actuations).toHaveLength(1)
  })

  it('forgets a smallest difference that is older than 10 minutes, since clocks drift', async () => {
    const { executor, clock, stages } = bench()
    executor.receive({ hearth: 1, type: 'clock', stamp: 0 })
    for (let minute = 1; minute <= 12; minute++) {
      await clock.advance(60_000)
      // The relay's clock loses a second a minute against the hub's.
      executor.receive({ hearth: 1, type: 'clock', stamp: clock.monotonic() - minute * 1_000 })
    }
    executor.receive(command('a', { stamp: clock.monotonic() - 12_000, left_ms: 11_000 }))
    expect(stages()).toEqual(['received'])
  })

  it('begins anew with each session, since another relay counts from elsewhere', () => {
    const { executor, stages } = bench()
    executor.receive({ hearth: 1, type: 'clock', stamp: 1_000_000 })
    executor.begin({ generation: 1, counter: 1, connect: 2 })
    executor.receive(command('a', { stamp: 5, epoch: '1.1.2' }))
    expect(stages()).toEqual(['received'])
  })

  it('a command that lay behind a stalled connect is not carried out, though all stamps of the session lay as long', async () => {
    const { executor, clock, told, actuations } = bench()
    executor.listens()
    // The relay answers at once; the way there stands still for 30 s.
    const [first, second] = [clock.monotonic(), clock.monotonic() + 100]
    await clock.advance(30_000)
    executor.receive({ hearth: 1, type: 'clock', stamp: first })
    executor.receive(command('a', { stamp: second }))
    await settle()
    expect(told).toMatchObject([{ stage: 'expired', reason: expect.stringMatching(/lay 29900 ms on its way/) }])
    expect(actuations).toEqual([])
  })

  it('a command behind a connect that went well loses no more than that took', async () => {
    const { executor, clock, actuations } = bench()
    executor.listens()
    await clock.advance(50)
    executor.receive({ hearth: 1, type: 'clock', stamp: 1_000_000 })
    executor.receive(command('a', { stamp: 1_000_000, left_ms: 51 }))
    executor.receive(command('b', { stamp: 1_000_000, left_ms: 50 }))
    await settle()
    expect(actuations).toHaveLength(1)
  })

  it('does not take the stamp of a command of an older session for its present relay’s', async () => {
    const { executor, actuations } = bench()
    executor.begin({ generation: 1, counter: 1, connect: 2 })
    executor.receive({ hearth: 1, type: 'clock', stamp: 0 })
    executor.receive(command('old', { stamp: 1_000_000 }))
    executor.receive(command('new', { stamp: 0, epoch: '1.1.2' }))
    await settle()
    expect(actuations).toHaveLength(1)
  })

  it('what runs out behind another command to the device is not carried out', async () => {
    const { executor, clock, actuations, told } = bench()
    executor.receive(command('first'))
    executor.receive(command('second', { left_ms: 500 }))
    await settle()
    await clock.advance(600)
    actuations[0]?.confirm()
    await settle()
    expect(actuations).toHaveLength(1)
    expect(told.at(-1)).toMatchObject({ command: 'second', stage: 'expired' })
  })

  it('what runs out while it is written down is not carried out', async () => {
    const disk = memoryDisk()
    const { sync } = disk
    const slow = Promise.withResolvers<void>()
    disk.sync = async () => {
      await slow.promise
      await sync()
    }
    const { executor, clock, actuations, stages } = bench({ disk })
    executor.receive(command('a', { left_ms: 1_000 }))
    await clock.advance(1_000)
    slow.resolve()
    await settle()
    expect(stages()).toEqual(['received', 'expired'])
    expect(actuations).toHaveLength(0)
  })
})

describe('in order', () => {
  it('commands to one device run one after the other, those to another beside them', async () => {
    const { executor, actuations } = bench()
    executor.receive(command('a', { set: { brightness: 1 } }))
    executor.receive(command('b', { set: { brightness: 2 } }))
    executor.receive(command('c', { device: 'lock', set: { locked: true } }))
    await settle()
    expect(actuations.map((each) => each.set)).toEqual([{ brightness: 1 }, { locked: true }])
    actuations[0]?.confirm()
    await settle()
    expect(actuations.at(-1)?.set).toEqual({ brightness: 2 })
  })

  it(`takes ${COMMANDS_WAITING_MAX} at a time and refuses one more`, async () => {
    const { executor, told } = bench()
    for (let i = 0; i < COMMANDS_WAITING_MAX; i++) executor.receive(command(`c${i}`))
    expect(executor.waiting).toBe(COMMANDS_WAITING_MAX)
    executor.receive(command('more'))
    expect(told.at(-1)).toMatchObject({
      command: 'more',
      stage: 'rejected',
      reason: 'the hub is busy: 64 commands are waiting',
    })
  })

  it('that was refused is not done when a copy of it comes', async () => {
    const { disk, executor, actuations, stages } = bench()
    disk.fill(1)
    executor.receive(command('a'))
    await settle()
    executor.receive(command('a'))
    await settle()
    expect(stages()).toEqual(['received', 'rejected', 'rejected'])
    expect(actuations).toEqual([])
  })

  it('ends what runs before it closes, and takes nothing new', async () => {
    const { executor, actuations, stages } = bench()
    executor.receive(command('a'))
    await settle()
    const closed = executor.close()
    executor.receive(command('b'))
    actuations[0]?.confirm()
    await closed
    expect(stages()).toEqual(['received', 'rejected', 'executed'])
  })
})

describe('the journal', () => {
  it('keeps an id for its window of running time, over restarts and whatever the wall clock says', async () => {
    const first = bench()
    first.executor.receive(command('a'))
    await settle()
    first.actuations[0]?.confirm()
    await settle()
    first.clock.jump(400 * 86_400_000)
    await first.clock.advance(JOURNAL_KEEP_MS - 1_000)
    // Begins another, which forgets what is too old: nothing yet.
    first.executor.receive(command('b', { stamp: first.clock.monotonic() }))
    await settle()
    first.actuations[1]?.confirm()
    await settle()
    const second = bench({ disk: first.disk.kill() })
    second.executor.receive(command('a'))
    expect(second.stages()).toEqual(['executed'])
    await second.clock.advance(2_000)
    second.executor.receive(command('c', { stamp: second.clock.monotonic() }))
    await settle()
    expect(second.disk.get('journal/command/a')).toBeUndefined()
    expect(second.disk.get('journal/command/b')).toBeDefined()
  })

  it('of a newer version is refused by name', () => {
    const disk = memoryDisk()
    disk.write([{ put: 'journal/running', value: Buffer.from('{"version":2}') }])
    expect(() => bench({ disk })).toThrow(/expected version 1 of the command journal/)
  })
})
