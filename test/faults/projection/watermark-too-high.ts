/** A watermark of the future: later events are skipped until that time. */
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: watermark too high'],
  story: 'Somebody edited the watermark to an id that was minted in the future.',
  first: 'PJ-401 warn',
  inspect: 'named',
  plant: (world) =>
    world.edit(({ watermarks }) => void (watermarks['last_visible_event_id'] = '7ZZZZZZZZZZZZZZZZZZZZZZZZZ')),
  resolved_by: 'request',
}
