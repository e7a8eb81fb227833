/**
 * The scenarios of correctness.md 9.5 that are too large for every run: `npm run prove`, for the night. Each is explored
 * to its end or to the state budget, and says so. `npm run prove -- --states 5000000 "3 writers"` explores those
 * whose name contains a text, further; `--all` takes the small ones along. Exit code 1 when a schedule violates an
 * invariant; the schedule is printed.
 */
import { parseArgs } from 'node:util'
import { explore } from '../support/explorer/explore.ts'
import { MATRIX } from '../support/explorer/matrix.ts'
import { PRODUCTION } from '../support/explorer/protocol.ts'
import { lineOf } from '../support/explorer/report.ts'
import { Violation } from '../support/explorer/violation.ts'

/** G1: a cell that is not complete has at least a million states. */
const STATES_MAX = '2000000'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { states: { type: 'string', default: STATES_MAX }, all: { type: 'boolean', default: false } },
})

for (const { scenario, runs_in } of MATRIX) {
  const is_chosen = positionals.every((text) => scenario.name.includes(text))
  if (!is_chosen || (runs_in === 'test' && !values.all)) continue
  const started_ms = performance.now()
  try {
    const exploration = explore(scenario, PRODUCTION, { states_max: Number(values.states) })
    const seconds = Math.round((performance.now() - started_ms) / 1000)
    process.stdout.write(`${lineOf({ name: scenario.name, ...exploration })}, ${seconds} s\n`)
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    process.exitCode = 1
    process.stdout.write(`${error.message}\n`)
  }
}
