/** Pointer and manifest disagree. */
import { eventsAt } from '../../support/projection-events.ts'
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['manifests.md 18: the head and the chain'],
  story: 'Somebody edited the epoch of the visible manifest.',
  first: 'PJ-106 warn',
  inspect: 'named',
  plant: (world) => world.edit((manifest) => void (manifest.epoch -= 1)),
  resolved_by: {
    step: 'POST /compact with the next events',
    act: async (world) => world.compact({ event_paths: world.append(eventsAt(50, 51)) }),
  },
}
