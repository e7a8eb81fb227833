/** The visible manifest is none. */
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: pointer or manifest unparsable or missing'],
  story: 'The visible manifest was overwritten with something else.',
  first: 'PJ-104 error',
  inspect: 'named',
  plant: (world) => world.write(world.manifestPath(), '{}'),
  resolved_by: 'request',
}
