/** A holder that died while it held the lock. */
import { LOCK_PATH } from '../../../lib/protocol/orchestration/paths.ts'
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['locks-and-fencing.md 4: the lock'],
  story: 'A compactor died while it held the lock.',
  first: 'PJ-503 info',
  inspect: 'named',
  plant: (world) => {
    const expiresAt = new Date(world.clock.now_ms + 20_000).toISOString()
    world.write(LOCK_PATH, JSON.stringify({ ...world.json(LOCK_PATH), expiresAt, operation: 'compact' }))
  },
  resolved_by: 'request',
}
