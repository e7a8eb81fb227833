/**
 * Every store operation of every row of spec/coordinator.md 13 fails in every way, over HTTP. Whatever the client was
 * told was true, its replay ends in the bucket that a run without faults leaves, and the next writer commits.
 */
import { describe, test } from 'vitest'
import { RECOVERIES, REFUSALS, ROWS } from '../support/commit-cases.ts'
import { EXTENTS, FAULT_KINDS, faultPairs, faultPoints } from '../support/fault-points.ts'
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
  test('every two operations, the faults in turn (C1, C8, C11, C12, C14)', async () => {
    for (const point of faultPairs(baseline.wire)) await runFault(it, 'memory', point, baseline)
  })
})

/** Where log entries say whose they are, what the payload's loss leaves open is found there (R25). */
const ATTRIBUTED = [...ROWS, ...REFUSALS].filter(({ row }) => /payload gone|staged object gone|^W/.test(row))

describe.each(ATTRIBUTED)('with owner metadata: $row', async (it) => {
  const baseline = await runBaseline(it, 'metadata')
  test.each(EXTENTS)('%s (C1, C8, C11, C12, C14)', async (extent) => {
    for (const kind of FAULT_KINDS) {
      for (const point of faultPoints(baseline.wire, kind, extent)) {
        await runFault(it, 'metadata', point, baseline)
      }
    }
  })
})
