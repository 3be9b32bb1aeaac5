import { defineConfig } from 'vitest/config'
import LongestFirst from './infra/longest-first.ts'

/**
 * On a machine that is shared a test in thousands meets its deadline late: there one that failed is run once more. It is named
 * as unstable at the end of the run (`count-reporter.ts`): a defect to mend, and no reason to hold back all else. Where time is
 * simulated only the runner's own limit counts as late: whatever else fails has found something. Tests of `real` that choose
 * by chance what they kill say `retry: 0`.
 */
const retry = (condition?: RegExp) => (process.env.CI === undefined ? 0 : { count: 1, ...(condition && { condition }) })

/**
 * Three sets: `fast` is what needs no server and no process of its own (the newcomer's loop); `long`
 * (`*.long.test.ts`) needs none either, and makes whole histories: files of three seconds and more; `real`
 * (`*.real.test.ts`) starts what users run: processes, browsers, other readers of the lake.
 */
export default defineConfig({
  test: {
    reporters: ['default', './infra/count-reporter.ts'],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'fast',
          retry: retry(/timed out/i),
          include: ['**/*.test.ts'],
          exclude: ['**/*.real.test.ts', '**/*.long.test.ts', 'node_modules/**', 'dist/**', '.hearth/**', '.cache/**'],
          testTimeout: 20_000,
          maxWorkers: '100%',
        },
      },
      {
        test: {
          name: 'long',
          retry: retry(/timed out/i),
          include: ['**/*.long.test.ts'],
          exclude: ['node_modules/**', 'dist/**', '.hearth/**', '.cache/**'],
          testTimeout: 60_000,
          maxWorkers: '100%',
        },
      },
      {
        test: {
          name: 'real',
          retry: retry(),
          include: ['**/*.real.test.ts'],
          exclude: ['node_modules/**', 'dist/**', '.hearth/**', '.cache/**'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          // They wait more than they work: for brokers that come back, for retentions, for what was killed.
          maxWorkers: 2,
        },
      },
    ],
  },
})
