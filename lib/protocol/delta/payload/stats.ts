/** File statistics: JSON text inside an `add` (DL-338). */
import { JsonError, isJsonObject, parseJson } from '../../json.ts'
import type { JsonValue } from '../../json.ts'
import { toBigInt } from './fields.ts'
import { CLIENT_LIMITS } from './limits.ts'

/** What a text of statistics came to. */
export interface Stats {
  readonly numRecords?: bigint
  /** Why readers would ignore these statistics. */
  readonly problem?: string
}

/** Read the one statistic that other rules need. Absent or empty statistics are legal. */
export function readStats(stats: string | undefined): Stats {
  if (stats === undefined || stats === '') return {}
  try {
    return numRecordsOf(parseJson(stats, CLIENT_LIMITS))
  } catch (error) {
    if (error instanceof JsonError) return { problem: `stats: ${error.message}` }
    throw error
  }
}

function numRecordsOf(stats: JsonValue): Stats {
  if (!isJsonObject(stats)) return { problem: 'expected stats to hold a JSON object' }
  const numRecords = toBigInt(stats['numRecords'])
  if (numRecords !== undefined && numRecords >= 0n) return { numRecords }
  const is_absent = stats['numRecords'] === undefined || stats['numRecords'] === null
  return is_absent ? {} : { problem: 'expected stats.numRecords to be an integer of at least 0' }
}
