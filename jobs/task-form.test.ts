import { expect, test } from 'vitest'
import { seededRandom } from '../sim/clock.ts'
import type { Calculate } from './calculate.ts'
import { catalogue } from './catalogue.ts'
import { openJobs } from './jobs.ts'
import { HOUR_MS } from './limits.ts'
import { decodeMade, encodeMade, encodeTask, openTask } from './task-form.ts'
import { connected, enrolled, openHistory } from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20, 22)

test('a text that is not a task, or not of this Hearth, is refused by what it is', async () => {
  await using history = await openHistory(T0 + 2 * HOUR_MS)
  const { lake, clock } = history
  await history.add([enrolled('demo-01', T0), ...connected('demo-01', T0, T0 + HOUR_MS)])
  const texts: string[] = []
  const keeps =
    (here: Calculate): Calculate =>
    async (task, options) => {
      const calculated = await here(task, options)
      texts.push(encodeTask(task, 1), encodeMade(task, calculated.made))
      return calculated
    }
  const scratch_folder = lake.store.localPath?.('scratch') ?? ''
  await using jobs = await openJobs({ lake, clock, random: seededRandom(5), scratch_folder, calculate: keeps })
  await jobs.run()

  const [task = '', made = ''] = texts
  await expect(openTask(lake, [], task)).rejects.toThrow(/a task of hubs .*: it is not known here/)
  const changed = catalogue().map((one) => ({ ...one, file_hash: 'other' }))
  await expect(openTask(lake, changed, task)).rejects.toThrow(
    /its definition is other here: use the same Hearth for all/,
  )
  await expect(openTask(lake, catalogue(), made)).rejects.toMatchObject({ kind: 'invalid' })
  const known = await openTask(lake, catalogue(), task)
  expect(known.parts).toEqual([known.task])
  expect(() => decodeMade(known.task, task)).toThrow(/not what came of a task of hubs/)
  const other = made.replace('"removes":[]', '"removes":["gone"]')
  expect(() => decodeMade(known.task, other)).toThrow(/has no file gone/)
})

test('a task is opened on the versions that it names, whatever came since', async () => {
  await using history = await openHistory(T0 + 2 * HOUR_MS)
  const { lake, clock } = history
  await history.add([enrolled('demo-01', T0)])
  const texts: string[] = []
  const keeps =
    (here: Calculate): Calculate =>
    async (task, options) => {
      texts.push(encodeTask(task, 1))
      return await here(task, options)
    }
  const scratch_folder = lake.store.localPath?.('scratch') ?? ''
  const metrics = catalogue().slice(0, 1)
  await using jobs = await openJobs({ lake, clock, random: seededRandom(5), scratch_folder, metrics, calculate: keeps })
  await jobs.run()
  await history.add([enrolled('demo-02', T0)])
  const { task } = await openTask(lake, metrics, texts[0] ?? '')
  const [standing, events] = [task.standing, task.inputs.get('events')].map((of) => of?.snapshot)
  expect([standing?.version, standing?.files.size, events?.version, events?.files.size]).toEqual([0, 0, 1, 1])
})
