/** A delta without the deletions that it has to have. */
import type { ProjectionFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: manifest stripped of tombstones'],
  story: 'A tool of an early version rewrote the manifest without its deletions.',
  first: 'PJ-308 warn',
  inspect: 'named',
  plant: (world) =>
    world.edit(({ l0_deltas: [delta] }) => {
      Reflect.deleteProperty(delta ?? {}, 'deletions')
    }),
  resolved_by: 'request',
}
