/** The pointer names a manifest that is gone. */
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: pointer or manifest unparsable or missing'],
  story: 'A lifecycle rule deleted the visible manifest.',
  first: 'PJ-103 error',
  inspect: 'named',
  plant: (world) => world.remove(world.manifestPath()),
  resolved_by: 'request',
}
