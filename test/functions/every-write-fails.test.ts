/**
 * Every store operation of every row of spec/coordinator.md 13 fails in every way, over HTTP. Whatever the client was
 * told was true, its replay ends in the bucket that a run without faults leaves, and the next writer commits.
 */
import { describe, test } from 'vitest'
import { RECOVERIES, REFUSALS, ROWS } from '../support/commit-cases.ts'
import { EXTENTS, FAULT_KINDS, faultPoints } from '../support/fault-points.ts'
import { runBaseline, runFault } from '../support/fault-runs.ts'

describe.each([...ROWS, ...REFUSALS, ...RECOVERIES])('$row', async (it) => {
  const baseline = await runBaseline(it, 'memory')
  for (const extent of EXTENTS) {
    for (const kind of FAULT_KINDS) {
      const points = faultPoints(baseline.wire, kind, extent)
      if (points.length === 0) continue
      test(`${extent}: ${kind.name} (C1, C8, C11, C12, C14, CO-21)`, async () => {
        for (const point of points) await runFault(it, 'memory', point, baseline)
      })
    }
  }
})
