import type { Reporter, TestModule } from 'vitest/node'

/** Names the tests that passed only when they were run once more, and ends a run with one line that scripts can read: `N passed, N failed`. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandled.length, skipped: 0 }
    const unstable: string[] = []
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state, errors = [] } = test.result()
        if (state === 'passed' || state === 'failed' || state === 'skipped') counts[state]++
        if (test.diagnostic()?.flaky) {
          unstable.push(`${module.relativeModuleId}: ${test.fullName}`, ...errors.map(({ message }) => `  ${message}`))
        }
      }
      // What could not be loaded, or set up, has no tests to count, and is a failure all the same.
      for (const part of [module, ...module.children.allSuites()]) counts.failed += part.errors().length
    }
    if (unstable.length > 0) {
      process.stdout.write(`Unstable, passed when run once more:\n${unstable.map((line) => `  ${line}\n`).join('')}`)
    }
    process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`)
  }
}
