/**
 * What the Delta operations answer. Refusals are values with a `reason` of spec/http-api.md 6.2 and the reason's own
 * members in wire spelling; `functions/problem.ts` has one row for each, or does not compile.
 */
import type { StateView } from './state.ts'

/** A finding of the payload rules (spec/delta-log-rules.md 14 A). */
export interface Finding {
  /** `DL-nnn`. */
  readonly rule: string
  readonly severity: 'error' | 'warn' | 'info'
  /** 1-based line of the payload; absent when the finding is about the whole. */
  readonly line?: number
  /** What was expected, what was seen, what to do next. Never the payload's own text beyond names and paths. */
  readonly detail: string
}

/** Why a table has no usable root (spec/coordinator.md 11.1). */
export type ResolutionFailure =
  | { readonly ok: false; readonly reason: 'table_not_found'; readonly table_id: string }
  | { readonly ok: false; readonly reason: 'not_delta'; readonly table_id: string; readonly format: string }
  | { readonly ok: false; readonly reason: 'invalid_table_root'; readonly table_id: string }
  | { readonly ok: false; readonly reason: 'object_corrupt'; readonly object_class: string }
  | { readonly ok: false; readonly reason: 'storage_unavailable'; readonly retry_after_ms: number }
  | { readonly ok: false; readonly reason: 'internal' }

/** Refusals that stage, commit, recover and inspect share. */
export type SharedFailure =
  | ResolutionFailure
  | { readonly ok: false; readonly reason: 'outcome_unknown'; readonly retry_after_ms: number }
  | { readonly ok: false; readonly reason: 'throttled'; readonly retry_after_ms: number }
  | {
      readonly ok: false
      readonly reason: 'contention'
      readonly detail: string
      readonly retry_after_ms: number
    }
  | { readonly ok: false; readonly reason: 'state_corrupt' | 'marker_corrupt' | 'state_invariant' }
  | { readonly ok: false; readonly reason: 'root_mismatch' }

/** What staging came to (spec/coordinator.md 5). */
export type StageResult =
  | { readonly ok: true; readonly staged_path: string; readonly staged_version: string }
  | { readonly ok: false; readonly reason: 'payload_invalid'; readonly findings: readonly Finding[] }
  | SharedFailure

/** What a commit came to. `replayed`: the answer came from what was committed before. */
export type CommitResult =
  | {
      readonly ok: true
      readonly version: number
      readonly delta_log_path: string
      readonly replayed: boolean
    }
  | CommitFailure

/** Why a commit was refused (spec/coordinator.md 8). */
export type CommitFailure =
  | SharedFailure
  | {
      readonly ok: false
      readonly reason: 'staged_not_found'
      readonly staged_path: string
      readonly log_version_exists?: boolean
    }
  | { readonly ok: false; readonly reason: 'staged_version_mismatch'; readonly staged_path: string }
  | {
      readonly ok: false
      readonly reason: 'stale_read_version' | 'read_version_ahead'
      readonly read_version: number
      readonly latest_version?: number
      readonly state_missing?: true
    }
  | {
      readonly ok: false
      readonly reason: 'reserved'
      readonly expires_at_ms: number
      readonly retry_after_ms: number
    }
  | { readonly ok: false; readonly reason: 'key_reuse' | 'version_overflow' }
  | { readonly ok: false; readonly reason: 'log_conflict'; readonly latest_version: number }
  | { readonly ok: false; readonly reason: 'outcome_unverifiable'; readonly committed_version?: number }

/** What recover did (spec/http-api.md 4.3). */
export type RecoverAction = 'none' | 'finalized' | 'rolled_forward' | 'abandoned' | 'busy'

/** What recover came to: the state afterwards. */
export type RecoverResult =
  | { readonly ok: true; readonly state: StateView; readonly action: RecoverAction }
  | SharedFailure

/** Where a crash left a commit (spec/coordinator.md 7). */
export type CrashWindow = 'W0' | 'W1' | 'W2' | 'W3' | 'W4'

/** Who acts next on a reservation, from when on, and the request that settles it. */
export interface Resolution {
  /** `owner`: until `from_ms` only whoever reserved it goes on with it. `anybody`: any request to the table settles it. */
  readonly by: 'owner' | 'anybody'
  /** From then on anybody may finish or drop it, epoch ms; null when that is so already. */
  readonly from_ms: number | null
  /** What is left of that time, ms; 0 when it is over. */
  readonly ttl_left_ms: number
  /** Settles it, from `from_ms` on. */
  readonly request: {
    readonly method: 'POST'
    readonly path: string
    readonly body: Readonly<Record<string, never>>
  }
  /** The owner's own request, which finishes it at any time: what the reservation says of it. */
  readonly replay: {
    readonly method: 'POST'
    readonly path: string
    readonly body: {
      readonly read_version: number
      readonly staged_path: string
      readonly staged_version: string
      readonly idempotency_key: string
    }
  }
}

/** What inspect saw; `resolution` is null when nothing is in flight. */
export type InspectResult =
  | {
      readonly ok: true
      readonly state: StateView
      readonly crash_window: CrashWindow | null
      readonly resolution: Resolution | null
    }
  | SharedFailure

/** Every reason that a Delta operation can answer. */
export type DeltaReason =
  | Extract<StageResult, { ok: false }>['reason']
  | CommitFailure['reason']
  | Extract<RecoverResult, { ok: false }>['reason']
  | Extract<InspectResult, { ok: false }>['reason']
