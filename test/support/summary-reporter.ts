/**
 * Closes a run with one plain line, `N passed, N failed`, that people and CI read alike. It is written as the process
 * exits, because Vitest's own summary, a set-up's teardown and late warnings come after the last reporter event.
 */
import type { Reporter, SerializedError, TestModule } from 'vitest/node'

/** What a run came to. A file or suite that fails outside its tests counts as one failure, as does each unhandled error. */
export interface Tally {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** Count test cases, and failures that belong to no test case. */
export function tally(modules: readonly TestModule[], unhandled: readonly SerializedError[]): Tally {
  const count = { passed: 0, failed: unhandled.length, skipped: 0 }
  for (const module of modules) {
    const groups = [module, ...module.children.allSuites()]
    count.failed += groups.filter((group) => group.errors().length > 0).length
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      // Still pending at the end: the run was interrupted, or its worker died.
      count[state === 'pending' ? 'failed' : state] += 1
    }
  }
  return count
}

/** The closing line. A run that ended badly has at least one failure, whatever was counted. */
export function closingLine(counted: Tally, exit_code: number): string {
  const failed = exit_code === 0 ? counted.failed : Math.max(1, counted.failed)
  const skipped = counted.skipped === 0 ? '' : `, ${counted.skipped} skipped`
  return `${counted.passed} passed, ${failed} failed${skipped}`
}

/** The reporter that vitest.config.ts names. */
export default class SummaryReporter implements Reporter {
  private counted: Tally = { passed: 0, failed: 0, skipped: 0 }

  onInit(): void {
    process.once('exit', (code) => {
      if (this.counted.failed > 0 && code === 0) process.exitCode = 1
      // Node writes to pipes, files and terminals synchronously on POSIX, so that nothing is cut by the exit.
      process.stdout.write(`${closingLine(this.counted, code)}\n`)
    })
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    this.counted = tally(modules, unhandled)
  }
}
