/** The pointer is no JSON. */
import { POINTER_PATH } from '../../../lib/protocol/orchestration/paths.ts'
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: pointer or manifest unparsable or missing'],
  story: 'The pointer was cut off after its first byte.',
  first: 'PJ-101 error',
  inspect: 'named',
  plant: (world) => world.write(POINTER_PATH, '{'),
  resolved_by: 'request',
}
