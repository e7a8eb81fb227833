/** A folder of a delta that no manifest names. */
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['reconcile.md 1: orphan L0 directory'],
  story: 'A publisher died after it wrote the files of a delta.',
  first: 'RC-103 warn',
  inspect: 'unseen',
  plant: (world) =>
    world.plantOld('state/orchestration/l0/01JORPHANDELTA0000000000AA/runs.0a1b2c3d4e5f.parquet', 'x'),
  resolved_by: 'request',
}
