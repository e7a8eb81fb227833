/**
 * As every-write-fails.test.ts over a folder, where a write is a file with a sidecar and a late one races real I/O. Each
 * run is a hundred files, so every second operation of a row meets one kind of fault for each extent, another kind at
 * the next; the rows take turns, so that every kind is met in every extent by several of them.
 */
import { describe, expect, test } from 'vitest'
import { RECOVERIES, REFUSALS, ROWS } from '../support/commit-cases.ts'
import { EXTENTS, FAULT_KINDS, faultPoints, type Extent, type FaultPoint } from '../support/fault-points.ts'
import { runBaseline, runFault, type Baseline } from '../support/fault-runs.ts'

/** One kind of fault for every second operation, in turn. */
function sample(baseline: Baseline, extent: Extent, first: number): readonly FaultPoint[] {
  const kinds = FAULT_KINDS.map((kind) => faultPoints(baseline.wire, kind, extent))
  const half = baseline.wire.filter(({ index }) => (index + first) % 2 === 0)
  return half.flatMap(({ index }) => {
    const points = kinds.flatMap((each) => each.filter(({ at }) => at === index))
    const point = points[Math.floor((first + index) / 2) % points.length]
    return point === undefined ? [] : [point]
  })
}

const CASES = await Promise.all(
  [...ROWS, ...REFUSALS, ...RECOVERIES].map(async (it, number) => {
    const baseline = await runBaseline(it, 'folder')
    const samples = EXTENTS.map((extent) => ({ extent, points: sample(baseline, extent, number) }))
    return { row: it.row, it, baseline, samples }
  }),
)

describe.each(CASES)('$row', ({ it, baseline, samples }) => {
  for (const { extent, points } of samples) {
    if (points.length === 0) continue
    test(`${extent}: another fault each time (C1, C8, C11, C12, C14, CO-21)`, async () => {
      for (const point of points) await runFault(it, 'folder', point, baseline)
    })
  }
})

test.each(EXTENTS)('%s: every kind of fault has its turn', (extent) => {
  const points = CASES.flatMap(({ samples }) => samples).filter((sampled) => sampled.extent === extent)
  const met = new Set(points.flatMap((sampled) => sampled.points.map(({ kind }) => kind)))
  const possible = FAULT_KINDS.filter(({ hits_reads }) => hits_reads || extent !== 'one read, not repeated')
  expect(met).toEqual(new Set(possible))
})
