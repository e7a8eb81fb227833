/**
 * The reachability gate of spec/correctness.md 9.10: the matrix comes through every branch of the commit protocol, so
 * that no scenario passes because it never gets there.
 */
import { expect, test } from 'vitest'
import { explore } from '../../support/explorer/explore.ts'
import { MATRIX } from '../../support/explorer/matrix.ts'
import { mutate } from '../../support/explorer/mutate.ts'
import { BY_HAND, probeEdits, PROBES } from '../../support/explorer/probes.ts'

test(
  'every row of the decision table, HELP, DRIVE, FINALIZE and section 10 is reached',
  { timeout: 240_000 },
  async () => {
    const missing = new Set(PROBES.map(({ row }) => row).filter((row) => !BY_HAND.includes(row)))
    Object.assign(globalThis, { tidemark_reached: (row: string) => missing.delete(row) })
    const counted = await mutate(probeEdits())
    try {
      for (const { scenario, runs_in } of MATRIX) {
        if (missing.size === 0) break
        if (runs_in === 'test' && scenario.tokens === 'counter') explore(scenario, counted.protocol)
      }
    } finally {
      counted.remove()
    }
    expect([...missing]).toEqual([])
  },
)
