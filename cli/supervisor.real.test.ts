/** The supervisor over real processes, with a clock that the test moves. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ManualClock } from '../sim/clock.ts'
import { createSupervisor } from './supervisor.ts'
import { factsOf, openSystem, type System, until } from './testing/system.ts'

let system: System
beforeEach(async () => {
  system = await openSystem()
})
afterEach(() => system[Symbol.asyncDispose]())

it('ends a restarted process that does not get ready, says so, and starts it once more', async () => {
  const clock = new ManualClock()
  const notes: string[] = []
  const supervisor = createSupervisor({
    ...{ clock, verbose: false, colours: false, note: (line: string) => notes.push(line) },
    environment: system.environment,
  })
  let starts = 0
  const endless = ['sql', '--timeout', '600', 'select count(*) from range(1000000000000) a, range(1000000) b']
  const spec = {
    name: 'tried',
    // It serves at the first start and is then killed; the second never gets ready.
    get words() {
      return ++starts === 2 ? endless : ['relay']
    },
  }
  const saidAfter = async (line: RegExp, ms: number) => {
    await clock.advance(ms)
    await until(`it says ${line}`, 20_000, () => notes.some((note) => line.test(note)))
  }
  await supervisor.start(spec)
  process.kill(Number(factsOf(system, 'relay')['pid']), 'SIGKILL')
  await until('the end is noticed', 20_000, () => notes.length === 1)
  await saidAfter(/tried is not ready after 60 s; ending it/, 500 + 60_000)
  await until('that end is noticed', 20_000, () => notes.length === 3)
  await saidAfter(/tried is back/, 10_000)
  expect(notes).toEqual([
    'tried ended (SIGKILL); starting it again in 0.5 s',
    'tried is not ready after 60 s; ending it',
    'tried ended (SIGKILL); starting it again in 1 s',
    'tried is back',
  ])
  await supervisor.stop()
})
