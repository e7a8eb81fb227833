/**
 * A reservation and what it left in the bucket: which crash window, who finishes it, and when (spec/coordinator.md 6.5,
 * 7.1). The same rows as HELP, looked at and not acted on.
 */
import { sameVersion } from '../../../store/tokens.ts'
import { StoreError } from '../../../store/types.ts'
import { allOf, type Maintenance } from '../effects.ts'
import { readable } from '../../effects.ts'
import {
  holdsPayload,
  markerKey,
  markerOp,
  payloadOp,
  toLog,
  toStaged,
  type LogEntry,
  type MarkerKey,
  type Staged,
} from '../../delta/objects.ts'
import { parseMarker, type Marker } from '../../delta/marker.ts'
import { previousLogPath } from '../../delta/help.ts'
import type { CoordinatorState, Inflight } from '../../delta/state.ts'
import { logPath, rootOfLogPath } from '../../paths.ts'
import { StoredObjectError } from '../../stored-error.ts'
import type { Occurrence } from '../finding.ts'
import type { TableRuleId } from './findings.ts'

/** A reservation to look at. */
export interface ReservationCase {
  readonly table_id: string
  readonly ttl_ms: number
  /** Where the log of the table is. */
  readonly root: string
  readonly state: CoordinatorState
  readonly inflight: Inflight
  readonly now_ms: number
  /** How old the state is by the store's clock. */
  readonly age_ms: number | null
}

type Report = (rule: TableRuleId, occurrence: Occurrence) => void

/** Clocks of processes may differ by so much before a TTL is called wrong, in TTLs. */
const SKEW_TTLS = 2

/** Report what a reservation means. */
export function* checkReservation(it: ReservationCase, report: Report): Maintenance<void> {
  const { inflight, root, now_ms, ttl_ms, state } = it
  const pinned = inflight.delta_log_path
  if (pinned !== undefined && rootOfLogPath(pinned, inflight.version) !== root) {
    report('TM-106', {
      path: pinned,
      detail: `expected the reservation below ${root}, saw another root`,
    })
  }
  if (inflight.expires_at_ms > now_ms + SKEW_TTLS * ttl_ms) {
    report('TM-207', {
      detail: `expected a TTL of ${ttl_ms} ms, saw expires_at_ms ${inflight.expires_at_ms - now_ms} ms from now`,
      ...(isExpired(it) ? {} : { next: waitThenRecover(inflight.expires_at_ms) }),
    })
  }
  if (inflight.version <= state.latest_version) {
    report('TM-209', {
      detail: `expected a reservation above ${state.latest_version}, saw ${inflight.version}`,
    })
    return
  }
  const found = yield* look(it, pinned ?? logPath(root, inflight.version), report)
  if (found !== null) judge(it, found, report)
}

/** Others may finish or drop it now: by its own time, or by the store's clock (6.5). */
function isExpired({ inflight, now_ms, age_ms, ttl_ms }: ReservationCase): boolean {
  return now_ms >= inflight.expires_at_ms || (age_ms !== null && age_ms >= ttl_ms)
}

interface Found {
  readonly key: MarkerKey
  readonly marker: Marker | null
  readonly log: LogEntry | null
  readonly staged: Staged | null
}

function* look(it: ReservationCase, path: string, report: Report): Maintenance<Found | null> {
  const { table_id, inflight } = it
  const key = yield* markerKey(table_id, inflight.commit_id)
  const previous = previousLogPath(inflight, path)
  const [marker, log, staged, before] = yield* allOf([
    markerOp(key),
    payloadOp(path),
    payloadOp(inflight.staged_path),
    ...(previous === null ? [] : [payloadOp(previous)]),
  ])
  if (before !== undefined && readable(before).outcome === 'not_found') {
    report('TM-106', {
      path,
      detail: `expected entry ${inflight.version - 1} below the same root, saw none (RT-2)`,
    })
    return null
  }
  return {
    key,
    marker: markerOf(key, marker, report),
    log: yield* toLog(log),
    staged: yield* toStaged(staged),
  }
}

function markerOf(key: MarkerKey, answer: Parameters<typeof readable>[0], report: Report): Marker | null {
  try {
    const stored = readable(answer)
    return stored.outcome === 'not_found' ? null : parseMarker(key.path, key.key, stored.bytes)
  } catch (error) {
    const is_too_large = error instanceof StoreError && error.code === 'too_large'
    if (!is_too_large && !(error instanceof StoredObjectError)) throw error
    report('TM-401', { path: key.path, detail: error.message })
    return null
  }
}

function judge(it: ReservationCase, { key, marker, log, staged }: Found, report: Report): void {
  const { inflight } = it
  const severity = isExpired(it) ? 'warn' : 'info'
  if (marker !== null) {
    if (marker.version === inflight.version) {
      report('TM-203', {
        severity,
        detail: `W3: version ${inflight.version} has its marker and is not finalized`,
      })
    } else {
      report('TM-205', {
        detail: `expected the key of version ${marker.version} once, saw it reserved again`,
      })
    }
    return
  }
  const owned = ownersHash(inflight, staged)
  if (log === null) return judgeUnwritten(it, owned !== null && staged?.sha256 === owned, report)
  if (owned !== null && holdsPayload(log, owned, key.key_hash)) {
    report('TM-202', { severity, detail: `W2: version ${inflight.version} is written and has no marker` })
  } else if (log.owner?.commit_id_sha256 === key.key_hash) {
    report('TM-202', { severity, detail: `W2: version ${inflight.version} is written by its owner` })
  } else if (owned === null) {
    report('TM-208', { detail: `expected a hash or the payload of the reservation, saw neither` })
  } else {
    report('TM-204', {
      detail: `expected the reserved payload at version ${inflight.version}, saw other bytes`,
    })
  }
}

function judgeUnwritten(it: ReservationCase, is_available: boolean, report: Report): void {
  const { inflight } = it
  const is_over = isExpired(it)
  const wait = is_over ? {} : { next: waitThenRecover(inflight.expires_at_ms) }
  if (is_available) {
    const when = is_over ? 'its TTL has passed' : `its TTL ends in ${inflight.expires_at_ms - it.now_ms} ms`
    report('TM-201', {
      severity: is_over ? 'warn' : 'info',
      detail: `W1: version ${inflight.version} is reserved and not written; ${when}`,
      ...wait,
    })
  } else {
    report('TM-206', {
      detail: 'expected the staged payload as it was reserved, saw none or another',
      ...wait,
    })
  }
}

/** The hash of what the owner staged: stored with the reservation, or that of the very generation it names. */
function ownersHash(inflight: Inflight, staged: Staged | null): string | null {
  if (inflight.payload_sha256 !== undefined) return inflight.payload_sha256
  return staged !== null && sameVersion(staged.token, inflight.staged_version) ? staged.sha256 : null
}

/** Latest time that a date can be (ECMA-262 21.4.1.1); a wrong clock may have written a later one. */
const DATE_MAX_MS = 8.64e15

function waitThenRecover(expires_at_ms: number): string {
  const recover = 'POST /api/v1/delta/tables/{table_id}/recover {}'
  if (expires_at_ms > DATE_MAX_MS)
    return `${recover}; where the store does not tell its time, restore the state`
  return `Wait until ${new Date(expires_at_ms).toISOString()}, then ${recover}`
}
