/**
 * Delete staged payloads that nobody commits any more (spec/coordinator.md 5 SG-9, spec/correctness.md R24), of every table
 * of the scope. Opt-in: a bucket lifecycle on `delta/staging/` does the same. A payload that a reservation names stays, and
 * one that was deleted wrongly would cost its owner a `staged_not_found`, never a commit.
 */
import type { ListedObject } from '../../store/types.ts'
import { get, now } from '../effects.ts'
import { parseState } from '../delta/state.ts'
import { parseTableId } from '../ids.ts'
import { statePath } from '../paths.ts'
import { StoredObjectError } from '../stored-error.ts'
import {
  addCleaned,
  deleteListed,
  isWrittenBefore,
  NOTHING_CLEANED,
  pageOf,
  type Cleaned,
} from './cleanup.ts'
import type { Maintenance } from './effects.ts'

/** How old a payload must be. */
export interface CleanStagedRequest {
  /** TTL of reservations, ms; no payload younger than ten of them is deleted. */
  readonly ttl_ms: number
  /** Age from which payloads are deleted, ms; never less than a day. */
  readonly age_ms: number
}

const DAY_MS = 86_400_000
const STAGING_PREFIX = 'delta/staging/'
const STATE_BYTES_MAX = 1024 * 1024

/** Look through all staged payloads, page by page. */
export function* cleanStaged({ ttl_ms, age_ms }: CleanStagedRequest): Maintenance<Cleaned> {
  const kept_ms = Math.max(age_ms, DAY_MS, 10 * ttl_ms)
  let cleaned = NOTHING_CLEANED
  let start_after: string | undefined
  do {
    const page = yield* pageOf(STAGING_PREFIX, start_after)
    const { now_ms } = yield* now()
    const old = page.objects.filter((object) => isWrittenBefore(object, now_ms - kept_ms))
    cleaned = addCleaned(cleaned, { ...NOTHING_CLEANED, looked_at: page.objects.length })
    for (const [table_id, objects] of byTable(old)) {
      // R24: the state is read after the age was checked.
      const seen = yield* readReservation(table_id)
      if (seen === null) continue
      // Our clock may be ahead of the one that dated the objects.
      const before_ms = Math.min(now_ms, seen.server_date_ms ?? now_ms) - kept_ms
      const unnamed = objects.filter(
        (each) => each.key !== seen.staged_path && isWrittenBefore(each, before_ms),
      )
      cleaned = addCleaned(cleaned, yield* deleteListed(unnamed))
    }
    start_after = page.next
  } while (start_after !== undefined)
  return cleaned
}

/** By the folder below `delta/staging/`; what lies elsewhere is nobody's payload and stays. */
function byTable(objects: readonly ListedObject[]): Map<string, ListedObject[]> {
  const tables = new Map<string, ListedObject[]>()
  for (const object of objects) {
    const [table_id = '', name] = object.key.slice(STAGING_PREFIX.length).split('/')
    if (name === undefined || parseTableId(table_id) !== table_id || !name.endsWith('.json')) continue
    const own = tables.get(table_id) ?? []
    tables.set(table_id, own)
    own.push(object)
  }
  return tables
}

/** The payload that the table's reservation names, and the store's clock; null when the state does not parse. */
function* readReservation(
  table_id: string,
): Maintenance<{ readonly staged_path: string | null; readonly server_date_ms: number | null } | null> {
  const answer = yield* get(statePath(table_id), STATE_BYTES_MAX)
  if (answer.outcome === 'not_found') return { staged_path: null, server_date_ms: null }
  try {
    const { inflight } = parseState(table_id, answer.bytes)
    return { staged_path: inflight?.staged_path ?? null, server_date_ms: answer.server_date_ms ?? null }
  } catch (error) {
    if (error instanceof StoredObjectError) return null
    throw error
  }
}
