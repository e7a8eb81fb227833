/**
 * The decision table of a commit (spec/coordinator.md 6.3): from what was read to the one thing to do next. Pure;
 * evaluated top to bottom, D-1 to D-11.
 */
import { sameVersion } from '../../store/tokens.ts'
import type { Marker } from './marker.ts'
import type { LogEntry, SeenState, Staged } from './objects.ts'
import type { CommitRequest } from './request.ts'
import { readVersionOf, type CoordinatorState, type Inflight } from './state.ts'

/** What one round of reading showed. */
export interface Seen {
  readonly state: SeenState
  /** When the read of the state was issued, monotonic ms: the clock of the log-write deadline. */
  readonly state_read_at_ms: number
  /** Positive evidence whenever it was read; absence counts only with `marker_is_later` (R2). */
  readonly marker: Marker | null
  /** The marker was read after the state. */
  readonly marker_is_later: boolean
  readonly staged: Staged | null
  /** A log entry that HELP found or wrote at the version of the reservation that it cleared (HP-5). */
  readonly helped: { readonly version: number; readonly log: LogEntry } | null
}

/** What to do next. */
export type Decision =
  | { readonly do: 'answer_from_marker'; readonly marker: Marker }
  | { readonly do: 'drive_own'; readonly inflight: Inflight; readonly staged: Staged }
  | { readonly do: 'help'; readonly inflight: Inflight; readonly state: CoordinatorState }
  | { readonly do: 'staged_missing' }
  | { readonly do: 'staged_replaced' }
  | { readonly do: 'version_taken'; readonly state: CoordinatorState; readonly staged: Staged }
  | { readonly do: 'version_ahead'; readonly state: CoordinatorState }
  | { readonly do: 'overflow' }
  | { readonly do: 'bootstrap'; readonly staged: Staged }
  | { readonly do: 'reserve'; readonly state: CoordinatorState; readonly staged: Staged }

/** The first row of 6.3 that applies. */
export function decide(seen: Seen, request: CommitRequest): Decision {
  const { marker, staged } = seen
  const { state } = seen.state
  const inflight = state?.inflight ?? null
  if (marker !== null) return { do: 'answer_from_marker', marker } // D-1, D-2
  if (state !== null && inflight !== null && inflight.commit_id === request.idempotency_key) {
    // An obsolete reservation can only be finalized or dropped (3.1), so it is never driven.
    return staged !== null && isSameRequest(inflight, request, staged) && !isObsolete(state, inflight)
      ? { do: 'drive_own', inflight, staged } // D-4
      : { do: 'help', inflight, state } // D-3, D-5
  }
  if (staged === null) return { do: 'staged_missing' } // D-6
  if (!sameVersion(staged.token, request.staged_version)) return { do: 'staged_replaced' } // D-7
  if (state !== null && inflight !== null) return { do: 'help', inflight, state } // D-8
  const latest_version = state?.latest_version ?? null
  if (state !== null && state.latest_version > request.read_version) {
    return { do: 'version_taken', state, staged } // D-9
  }
  if (state !== null && state.latest_version < request.read_version) {
    return { do: 'version_ahead', state } // D-9a
  }
  if ((latest_version ?? request.read_version) === Number.MAX_SAFE_INTEGER) return { do: 'overflow' } // D-10
  return state === null ? { do: 'bootstrap', staged } : { do: 'reserve', state, staged } // D-11
}

function isObsolete(state: CoordinatorState, inflight: Inflight): boolean {
  return inflight.version <= state.latest_version
}

/** Is the reservation this very request's, with these bytes? (6.3.2, for a readable staged object) */
export function isSameRequest(inflight: Inflight, request: CommitRequest, staged: Staged): boolean {
  if (inflight.staged_path !== request.staged_path) return false
  if (readVersionOf(inflight) !== request.read_version) return false
  if (inflight.payload_sha256 !== undefined) return inflight.payload_sha256 === staged.sha256
  // A legacy reservation: the generation it named, or else the one that the request names, put again by its owner.
  return (
    sameVersion(inflight.staged_version, staged.token) || sameVersion(staged.token, request.staged_version)
  )
}
