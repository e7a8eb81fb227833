/** A folder of a base that no manifest names. */
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['reconcile.md 1: orphan base directory'],
  story: 'A publisher died after it wrote the files of a base.',
  first: 'RC-102 warn',
  inspect: 'unseen',
  plant: (world) =>
    world.plantOld('state/orchestration/base/01JORPHANBASE00000000000AA/runs.0a1b2c3d4e5f.parquet', 'x'),
  resolved_by: 'request',
}
