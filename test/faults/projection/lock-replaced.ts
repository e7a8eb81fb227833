/** The number of the lock is behind the epoch of the pointer. */
import { eventsAt } from '../../support/projection-events.ts'
import { LOCK_PATH } from '../../../lib/protocol/orchestration/paths.ts'
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['locks-and-fencing.md 4: the lock'],
  story: 'Somebody put an old lock record back.',
  first: 'PJ-502 warn',
  inspect: 'named',
  plant: (world) => world.write(LOCK_PATH, JSON.stringify({ ...world.json(LOCK_PATH), sequenceNumber: 0 })),
  resolved_by: {
    step: 'POST /compact with the next events',
    act: async (world) => world.compact({ event_paths: world.append(eventsAt(50, 51)) }),
  },
}
