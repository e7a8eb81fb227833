/** Somebody deleted the pointer to force a fresh start, and nothing keeps earlier generations. */
import { POINTER_PATH } from '../../../lib/protocol/orchestration/paths.ts'
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: pointer deleted'],
  story: 'An operator deleted the pointer to force a fresh start; the bucket keeps no earlier generation.',
  first: 'PJ-102 error',
  inspect: 'named',
  plant: (world) => world.remove(POINTER_PATH),
  resolved_by: 'request',
}
