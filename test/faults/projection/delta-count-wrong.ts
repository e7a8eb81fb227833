/** The manifest counts its deltas wrongly. */
import { eventsAt } from '../../support/projection-events.ts'
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['manifests.md 18: the head and the chain'],
  story: 'A tool of an early version counted the deltas of the manifest wrongly.',
  first: 'PJ-307 warn',
  inspect: 'named',
  plant: (world) => world.edit((manifest) => void (manifest.l0_count = 7)),
  resolved_by: {
    step: 'POST /compact with the next events',
    act: async (world) => world.compact({ event_paths: world.append(eventsAt(50, 51)) }),
  },
}
