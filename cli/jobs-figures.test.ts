import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import type { Jobs, RunOptions } from '../jobs/jobs.ts'
import { ManualClock } from '../sim/clock.ts'
import { jobsFigures } from './jobs-figures.ts'

const damaged = new Problem('corrupt', 'a file is damaged')

test('each look that fails is counted of each metric that failed in it, once, else of all', async () => {
  const registry = new Registry()
  const figures = jobsFigures(registry, new ManualClock(0), ['hubs', 'sessions'])
  const failing = (...metrics: readonly string[]): Jobs => ({
    plan: async () => [],
    async run({ failed }: RunOptions = {}) {
      for (const metric of metrics) failed?.(metric, damaged, [])
      throw damaged
    },
    [Symbol.asyncDispose]: async () => undefined,
  })
  await expect(figures.watch(failing('sessions', 'sessions')).run()).rejects.toThrow('damaged')
  await expect(figures.watch(failing()).run()).rejects.toThrow('damaged')
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('hearth_jobs_failures_total'))
  expect(lines).toEqual([
    'hearth_jobs_failures_total{metric="hubs"} 0',
    'hearth_jobs_failures_total{metric="sessions"} 1',
    'hearth_jobs_failures_total{metric="all"} 1',
  ])
})
