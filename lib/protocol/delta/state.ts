/**
 * The coordinator state of a table, `delta/coordinator/{table_id}.json` (spec/coordinator.md 3.1): one object,
 * replaced only by CAS.
 *
 *     {n, null} --reserve--> {n, K@n+1} --finalize--> {n+1, null}
 *         ^                      |
 *         +---- drop/release ----+
 */
import * as z from 'zod'
import { parseJson, stringifyJson, type JsonValue } from '../json.ts'
import { isStagedPath, rootOfLogPath, statePath } from '../paths.ts'
import { StoredObjectError } from '../stored-error.ts'

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/)

/** A reservation. Two are the same only if all members are equal, `nonce` included. */
export const Inflight = z.looseObject({
  commit_id: z.string().min(1).meta({ description: 'Idempotency key of the reserving request' }),
  read_version: z
    .int()
    .min(-1)
    .optional()
    .meta({ description: 'Absent in reservations of early Arco versions: then `version` - 1' }),
  version: z.int().min(0).meta({ description: 'The reserved version' }),
  staged_path: z.string().meta({ description: 'The staged payload' }),
  staged_version: z.string().min(1).meta({ description: 'Version token of the staged payload' }),
  started_at_ms: z.int().meta({ description: "When it was reserved, by the reserver's clock" }),
  expires_at_ms: z.int().meta({ description: 'From then on anybody may finish or drop it' }),
  payload_sha256: Sha256.optional().meta({ description: 'SHA-256 of the staged payload' }),
  delta_log_path: z.string().optional().meta({ description: 'Where the log entry goes' }),
  nonce: z.string().min(1).optional().meta({ description: 'Tells attempts of one key apart' }),
})
export type Inflight = z.infer<typeof Inflight>

/** The commit that was finalized last; its marker is durable before anybody overwrites this (R3). */
export const LastCommit = z.looseObject({
  commit_id: z.string().min(1).meta({ description: 'Its idempotency key' }),
  read_version: z.int().min(-1).meta({ description: 'The version that it builds on' }),
  staged_path: z.string().meta({ description: 'The payload that it staged' }),
  payload_sha256: Sha256.meta({ description: 'SHA-256 of the payload' }),
  version: z.int().min(0).meta({ description: 'The version that it has in the log' }),
  delta_log_path: z.string().meta({ description: 'Its log entry' }),
})
export type LastCommit = z.infer<typeof LastCommit>

/** The document. Unknown members are kept on rewrite (J-2). */
export const CoordinatorState = z.looseObject({
  latest_version: z
    .int()
    .min(-1)
    .meta({ description: 'The highest finalized version; -1 for an empty table' }),
  inflight: Inflight.nullish(),
  last_commit: LastCommit.nullish().meta({ description: 'The commit that was finalized last' }),
  revision: z.int().min(1).optional().meta({ description: 'Counts the writes of the state' }),
})
export type CoordinatorState = z.infer<typeof CoordinatorState>

/** What inspect and recover show: the members as stored, `inflight` always there. */
export type StateView = CoordinatorState & { inflight: Inflight | null }

/**
 * Read the stored bytes. Throws StoredObjectError `state_corrupt` for anything that spec/coordinator.md 3.1 calls
 * invalid and `state_invariant` for a reservation that skips a version.
 */
export function parseState(table_id: string, bytes: Uint8Array): CoordinatorState {
  const path = statePath(table_id)
  const corrupt = (why: string): StoredObjectError =>
    new StoredObjectError('state_corrupt', path, why, 'state')
  let json: JsonValue
  try {
    json = parseJson(bytes)
  } catch (cause) {
    throw corrupt(cause instanceof Error ? cause.message : 'not JSON')
  }
  const parsed = CoordinatorState.safeParse(json)
  if (!parsed.success) throw corrupt(describeIssue(parsed.error))
  const state = parsed.data
  const { inflight, last_commit } = state
  if (last_commit && rootOfLogPath(last_commit.delta_log_path, last_commit.version) === null) {
    throw corrupt('last_commit.delta_log_path is not the log entry of its version')
  }
  if (inflight) {
    if (!isStagedPath(table_id, inflight.staged_path)) {
      throw corrupt('inflight.staged_path is not a staged object of this table')
    }
    if (
      inflight.delta_log_path !== undefined &&
      rootOfLogPath(inflight.delta_log_path, inflight.version) === null
    ) {
      throw corrupt('inflight.delta_log_path is not the log entry of its version')
    }
    if (inflight.version > state.latest_version + 1) {
      throw new StoredObjectError('state_invariant', path, 'inflight.version skips a version', 'state')
    }
  }
  return state
}

/** The first rule that failed, as `member: rule`; never a stored value. */
export function describeIssue(error: z.ZodError): string {
  const issue = error.issues[0]
  return issue === undefined ? 'invalid' : `${issue.path.join('.') || 'document'}: ${issue.code}`
}

/** The bytes to store: compact, members in the order of spec/coordinator.md 3.1, unknown members last (J-1). */
export function encodeState(state: CoordinatorState): Uint8Array {
  const { latest_version, inflight, last_commit, revision, ...unknown } = state
  return encode({
    latest_version,
    inflight: inflight ? orderInflight(inflight) : null,
    ...(last_commit === undefined ? {} : { last_commit }),
    ...(revision === undefined ? {} : { revision }),
    ...unknown,
  })
}

function orderInflight(inflight: Inflight): Record<string, unknown> {
  const {
    commit_id,
    read_version,
    version,
    staged_path,
    staged_version,
    started_at_ms,
    expires_at_ms,
    payload_sha256,
    delta_log_path,
    nonce,
    ...unknown
  } = inflight
  return {
    commit_id,
    ...(read_version === undefined ? {} : { read_version }),
    version,
    staged_path,
    staged_version,
    started_at_ms,
    expires_at_ms,
    ...(payload_sha256 === undefined ? {} : { payload_sha256 }),
    ...(delta_log_path === undefined ? {} : { delta_log_path }),
    ...(nonce === undefined ? {} : { nonce }),
    ...unknown,
  }
}

/** Compact JSON bytes of a document that came from `parseJson` or was built from plain values. */
export function encode(document: Record<string, unknown>): Uint8Array {
  return new TextEncoder().encode(stringifyJson(document as JsonValue))
}

/** `read_version` of a reservation; early Arco versions left it out. */
export function readVersionOf(inflight: Inflight): number {
  return inflight.read_version ?? inflight.version - 1
}

/** What a write of the state changes; members left out are carried unchanged. */
export interface StateChange {
  readonly latest_version: number
  readonly inflight: Inflight | null
  readonly last_commit?: LastCommit | null
}

/**
 * The next document. `revision` grows by one, so that no write repeats bytes that the key has held (R13); when an
 * older writer dropped it, it restarts at the clock.
 */
export function nextState(
  seen: CoordinatorState | null,
  change: StateChange,
  now_ms: number,
): CoordinatorState {
  const revision = seen?.revision
  return {
    ...seen,
    ...change,
    revision:
      revision === undefined || revision >= Number.MAX_SAFE_INTEGER ? Math.max(1, now_ms) : revision + 1,
  }
}

/** The state as inspect and recover show it. */
export function viewState(state: CoordinatorState | null): StateView {
  return state === null
    ? { latest_version: -1, inflight: null }
    : { ...state, inflight: state.inflight ?? null }
}
