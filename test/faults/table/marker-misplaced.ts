/** A marker under the hash of another key. */
import { TABLE_ID } from '../../support/commit-world.ts'
import { commitKeys } from '../../support/service.ts'
import type { TableFault } from '../fault.ts'

const OTHER_KEY = '0194f5a0-2000-7abc-8def-0000000000ff'
const OTHER_MARKER = commitKeys(TABLE_ID, OTHER_KEY, 0).marker

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['coordinator.md 3: objects of the coordinator'],
  story: 'Somebody copied a marker to the path of another key.',
  first: 'TM-404 error',
  inspect: { asks: 'key', status: 500, key: () => OTHER_KEY, says: { reason: 'marker_corrupt' } },
  plant: (table) => table.write(OTHER_MARKER, table.read(table.markerPath(table.first)) ?? ''),
  resolved_by: {
    step: 'then delete',
    act: (table) => table.remove(OTHER_MARKER),
  },
}
