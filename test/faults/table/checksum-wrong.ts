/** A version checksum that does not say what the log says. */
import type { TableFault } from '../fault.ts'

/** How it is planted, and what has to be said of it. */
export const fault: TableFault = {
  rows: ['delta-log-rules.md: copies of the log'],
  story: 'An engine wrote a version checksum that counts a file too many.',
  first: 'DL-1002 error',
  inspect: 'unseen',
  plant: (table) =>
    table.write(
      table.logPath(2).replace(/json$/, 'crc'),
      JSON.stringify({ tableSizeBytes: 300, numFiles: 3, numMetadata: 1, numProtocol: 1 }),
    ),
  resolved_by: 'delete',
}
