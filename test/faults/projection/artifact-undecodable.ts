/** A file of the base is what its manifest says, and no Parquet. */
import { sha256Hex } from '../../support/service.ts'
import type { ProjectionFault } from '../fault.ts'

const GARBAGE = 'PAR1 is not enough PAR1'

/** How it is planted, and what has to be said of it. */
export const fault: ProjectionFault = {
  rows: ['rebuild.md 12: artifact deleted or corrupt'],
  story: 'A file of the base has the hash that its manifest says and is no Parquet.',
  first: 'PJ-304 error',
  inspect: 'unseen',
  plant: (world) =>
    world.edit(({ base_snapshot: { tables } }) => {
      const path = tables.runs.path.replace(/[^/]+$/, 'runs.0a1b2c3d4e5f.parquet')
      world.write(path, GARBAGE)
      tables.runs = { path, checksum_sha256: `sha256:${sha256Hex(GARBAGE)}`, byte_size: GARBAGE.length }
    }),
  resolved_by: 'request',
}
