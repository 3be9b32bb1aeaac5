/** The tree of `hearth up`: what dies comes back, Ctrl-C drains, nobody fights over one state folder. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RELAY_FLAGS } from './relay-flags.ts'
import { childOf, factsOf, members, openSystem, type Running, type System, until } from './testing/system.ts'

const UP = ['up', '--demo', '--hubs', '2', '--days', '0']
const READY = /Hearth is ready: (\S+)/
const LIMIT_MS = 90_000
/** The child's own name in the tree, and where `run/` has its facts. */
const CHILDREN = [
  ['ingest', 'ingest'],
  ['relay', 'relay'],
  ['dashboards', 'dashboards'],
  ['jobs', 'jobs'],
  ['hub', 'hubs'],
] as const

let system: System
let tree: Running

beforeEach(async () => {
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
  tree = system.start(UP)
  await tree.untilSaid(READY, LIMIT_MS)
})

afterEach(() => system[Symbol.asyncDispose]())

/** Ctrl-C in a terminal reaches the whole group. */
function interrupt({ pid }: Running): void {
  process.kill(-pid, 'SIGINT')
}

/** A command goes through, once the hub is connected. */
async function commandIsDone(): Promise<void> {
  await until('a command is done', LIMIT_MS, async () => {
    const { code } = await system.run(['send', 'demo-01', 'kitchen-lamp', 'powered=1'])
    return code === 0
  })
}

describe('hearth up', () => {
  it('starts each process again that was killed, says so, and waits longer each time', {
    timeout: 300_000,
  }, async () => {
    for (const [word, name] of CHILDREN) {
      const { pid } = childOf(tree, word)
      process.kill(pid, 'SIGKILL')
      await tree.untilSaid(new RegExp(`${name} ended \\(SIGKILL.*starting it again in 0.5 s`), 10_000)
      await tree.untilSaid(new RegExp(`${name} is back`), LIMIT_MS)
      expect(childOf(tree, word).pid).not.toBe(pid)
      expect(factsOf(system, name)['pid']).toBe(childOf(tree, word).pid)
      if (name === 'relay') expect(childOf(tree, word).words).toContain(RELAY_FLAGS.join(' '))
    }
    process.kill(childOf(tree, 'jobs').pid, 'SIGKILL')
    await tree.untilSaid(/jobs ended \(SIGKILL.*starting it again in 1 s/, 10_000)
    await tree.untilSaid(/jobs is back[^]*jobs is back/, LIMIT_MS)
    // All of it works again: a command goes through, and telemetry after it.
    await commandIsDone()
    interrupt(tree)
    expect(await tree.ended).toEqual({ code: 0, signal: null })
    expect(await system.csv(`select count(*) > 0 from command_stages where stage = 'done'`)).toEqual([['true']])
    expect((await system.run(['verify'])).code).toBe(0)
  })

  it('drains at Ctrl-C: every process ends by itself, and what was taken is in the table', {
    timeout: 200_000,
  }, async () => {
    await commandIsDone()
    interrupt(tree)
    expect(await tree.ended).toEqual({ code: 0, signal: null })
    expect(tree.said()).toMatch(
      /^starting ingest, relay, .*\n[^]*is ready[^]*\ndraining; .*\n[^]*stopped: everything is committed\n$/,
    )
    // None was still there after its time to drain.
    expect(tree.said()).not.toContain('did not drain')
    expect(members(tree.pid)).toEqual([])
    const { code, stdout } = await system.run(['verify', '--json'])
    expect({ code, in_log: JSON.parse(stdout).totals.in_log }).toEqual({ code: 0, in_log: 0 })
  })

  it('tells which homes the demo has: those that live on', { timeout: 200_000 }, async () => {
    interrupt(tree)
    await tree.ended
    const more = await openSystem()
    try {
      const first = more.start(['up', '--demo', '--hubs', '2', '--days', '1'])
      await first.untilSaid(
        /sending the history of 2 homes: \d+ events[^]*the metrics of the history are being made/,
        LIMIT_MS,
      )
    } finally {
      await more[Symbol.asyncDispose]()
    }
  })

  it('refuses a second one on the same state folder, and leaves the first alone', { timeout: 200_000 }, async () => {
    const second = await system.run(UP)
    expect(second.code).toBe(1)
    expect(second.stderr).toContain('already running')
    expect((await system.run(['send', 'demo-01', 'kitchen-lamp', 'powered=1'])).code).toBe(0)
    expect(factsOf(system, 'up')['pid']).toBe(tree.pid)
  })

  it('starts right after only the supervisor was killed: what it left drains by itself', {
    timeout: 200_000,
  }, async () => {
    const orphans = members(tree.pid).filter(({ pid }) => pid !== tree.pid)
    expect(orphans.length).toBeGreaterThanOrEqual(CHILDREN.length)
    process.kill(tree.pid, 'SIGKILL')
    const next = system.start(UP)
    await next.untilSaid(READY, LIMIT_MS)
    // It waited for them: none is left, and none has taken away what its successor says of itself.
    expect(members(tree.pid)).toEqual([])
    for (const [word, name] of CHILDREN) expect(factsOf(system, name)['pid']).toBe(childOf(next, word).pid)
    interrupt(next)
    expect(await next.ended).toEqual({ code: 0, signal: null })
    expect((await system.run(['verify'])).code).toBe(0)
  })

  it('has processes that end at SIGTERM, though the channel to their supervisor is open', {
    timeout: 200_000,
  }, async () => {
    for (const [word, name] of CHILDREN) {
      process.kill(childOf(tree, word).pid, 'SIGTERM')
      await tree.untilSaid(new RegExp(`${name} ended \\((?!SIG)`), 30_000)
    }
  })
})
