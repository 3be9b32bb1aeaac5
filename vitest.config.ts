import { defineConfig } from 'vitest/config'
import LongestFirst from './infra/longest-first.ts'

/**
 * Three sets: `fast` is what needs no server and no process of its own (the newcomer's loop, under a minute); `long`
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
          include: ['**/*.test.ts'],
          exclude: ['**/*.real.test.ts', '**/*.long.test.ts', 'node_modules/**', 'dist/**', '.hearth/**', '.cache/**'],
          testTimeout: 20_000,
          maxWorkers: '100%',
        },
      },
      {
        test: {
          name: 'long',
          include: ['**/*.long.test.ts'],
          exclude: ['node_modules/**', 'dist/**', '.hearth/**', '.cache/**'],
          testTimeout: 60_000,
          maxWorkers: '100%',
        },
      },
      {
        test: {
          name: 'real',
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
