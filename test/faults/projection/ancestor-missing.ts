/** A revision that has to be kept is gone. */
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['manifests.md 18: the head and the chain'],
  story: 'A lifecycle rule deleted a revision that is to be kept.',
  first: 'PJ-201 warn',
  inspect: 'unseen',
  plant: (world) => world.remove('state/orchestration/manifests/00000000000000000005.json'),
  resolved_by: 'restore',
}
