/** How `npm test` runs: every file below test/ on two processes, closed by one plain summary line. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    passWithNoTests: false,
    reporters: ['default', './test/support/summary-reporter.ts'],
  },
})
