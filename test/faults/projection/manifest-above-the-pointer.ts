/** A publisher stopped between manifest and pointer. */
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['reconcile.md 1: orphan manifest snapshot', 'an orphan manifest above the pointer'],
  story: 'A publisher died after it wrote its manifest and before it moved the pointer.',
  first: 'RC-104 warn',
  inspect: 'named',
  plant: (world) => world.plantOld('state/orchestration/manifests/00000000000000000014.json', '{}'),
  resolved_by: 'request',
}
