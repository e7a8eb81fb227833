/** A manifest below the pointer that is on no chain. */
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['reconcile.md 1: orphan manifest snapshot'],
  story: 'A manifest lies between those of the chain and nobody names it.',
  first: 'RC-101 warn',
  inspect: 'unseen',
  plant: (world) => world.plantOld('state/orchestration/manifests/00000000000000000000.json', '{}'),
  resolved_by: 'request',
}
