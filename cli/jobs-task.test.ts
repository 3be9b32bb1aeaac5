import { Command } from 'commander'
import { expect, test } from 'vitest'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { registerTask } from './jobs-task.ts'
import { loadConfig } from './load-config.ts'

test('a task without the index of its part says what is missing', async () => {
  const jobs = new Command()
  const home = '/nowhere'
  const say = () => undefined
  const environment = { clock: new ManualClock(0), random: seededRandom(1), print: say, note: say }
  registerTask(jobs, {
    ...environment,
    ...{ home, config: loadConfig(home, {}, home), signal: new AbortController().signal },
  })
  const run = (...words: string[]) => jobs.parseAsync(['task', 'hubs-1f0c9a-2s-9b1e44', ...words], { from: 'user' })
  await expect(run()).rejects.toMatchObject({
    kind: 'invalid',
    message: 'expected the index of a part, from 0, after the run or in JOB_COMPLETION_INDEX; found none',
  })
  await expect(run('one')).rejects.toThrow('found "one"')
})
