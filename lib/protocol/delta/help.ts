/**
 * HELP (spec/coordinator.md 6.5): finish or drop a reservation that is in the way, whoever made it. Everything up to
 * the last CAS happens here; the caller sends that CAS, because a commit may fuse its own reservation into it.
 *
 *     marker   log      payload                      row
 *     same v   -        -                            H-1  finalize
 *     other v  -        -                            H-2  ghost: drop
 *     -        -        not expired                  H-3  busy
 *     -        -        expired, available           H-4  roll forward, then as below
 *     -        present  the owner's                  H-5  record, finalize
 *     -        present  not the owner's              H-6  foreign: advance, no marker
 *     -        present  owner's payload unknown      H-7  as H-6, or adopt by policy
 *     -        -        expired, gone                H-8  drop, or seal by policy
 */
import { sameVersion } from '../../store/tokens.ts'
import { note, now, type GetOp, type Protocol } from '../effects.ts'
import { logPath, rootOfLogPath } from '../paths.ts'
import type { Marker } from './marker.ts'
import {
  holdsPayload,
  markerKey,
  markerOp,
  payloadOp,
  toLog,
  toMarker,
  toStaged,
  type LogEntry,
  type MarkerKey,
  type Payload,
  type SeenState,
  type Staged,
} from './objects.ts'
import type { SharedFailure } from './outcomes.ts'
import { requestHash } from './request.ts'
import { inflightLogPath, type TableRoot } from './root.ts'
import { sealPayload } from './seal.ts'
import { readVersionOf, type Inflight, type LastCommit, type StateChange } from './state.ts'
import { alert, issue, type Work } from './work.ts'
import { buildMarker, writeLog, writeMarker } from './writes.ts'

/** What became of the reservation: every row but H-3 ends in one CAS, `change`, that the caller sends. */
export type Help =
  | { readonly help: 'busy' }
  | { readonly help: 'refused'; readonly failure: SharedFailure }
  | Settled

/** The reservation is decided; `change` clears it. */
export interface Settled {
  readonly help: 'settled'
  readonly change: StateChange
  readonly action: 'finalized' | 'rolled_forward' | 'abandoned' | 'sealed' | 'foreign'
  /** The version is this reservation's and its marker is durable: the CAS may be fused with a reservation (HP-2). */
  readonly may_fuse: boolean
  /** What the log holds at the reservation's version, for the caller's own check (D-9). */
  readonly log: LogEntry | null
}

/** What HELP found, for a caller who asked about a key of its own. */
export interface HelpReport {
  readonly help: Help
  /** Marker of the reservation's key. */
  readonly owner_marker: Marker | null
  /** Marker of the caller's key, read after the state; null when absent or not asked for. */
  readonly own_marker: Marker | null
}

/** A reservation to help, and the state that contained it. */
export interface HelpRequest {
  readonly seen: SeenState
  readonly inflight: Inflight
  readonly latest_version: number
  readonly root: TableRoot
  /** The caller's own key, when it is another one: its marker is read together with the rest (HP-5). */
  readonly own: MarkerKey | null
}

/** What the reads of HELP showed. */
interface Found {
  readonly marker: Marker | null
  readonly own_marker: Marker | null
  readonly log: LogEntry | null
  readonly staged: Staged | null
  /** RT-2: the previous version exists under the resolved root, or the question does not arise. */
  readonly root_checked: boolean
}

/** Run HELP on a reservation. */
export function* help(work: Work, request: HelpRequest): Protocol<HelpReport> {
  const { inflight } = request
  const key = yield* markerKey(work.table_id, inflight.commit_id)
  const path = yield* inflightLogPath(work, request.root, inflight)
  if (!path.ok) return yield* helpWithoutRoot(work, request, key, path)
  const found = yield* look(work, request, key, path.path)
  const settled = yield* settle(work, { ...request, key, path: path.path }, found)
  return { help: settled, owner_marker: found.marker, own_marker: found.own_marker }
}

/** Only the marker can decide a reservation whose log cannot be found (H-1). */
function* helpWithoutRoot(
  work: Work,
  { inflight, latest_version, own }: HelpRequest,
  key: MarkerKey,
  failure: SharedFailure,
): Protocol<HelpReport> {
  const answers = yield* issue(work, { marker: markerOp(key), own: ownMarkerOp(own) })
  const marker = yield* toMarker(work, key, answers.marker)
  const own_marker = own && answers.own ? yield* toMarker(work, own, answers.own) : null
  const decided: Help =
    marker !== null && marker.version === inflight.version
      ? finalized(inflight, marker, latest_version, null, marker.payload_sha256)
      : { help: 'refused', failure }
  return { help: decided, owner_marker: marker, own_marker }
}

function ownMarkerOp(own: MarkerKey | null): GetOp | undefined {
  return own === null ? undefined : markerOp(own)
}

function* look(work: Work, request: HelpRequest, key: MarkerKey, path: string): Protocol<Found> {
  const { inflight, own } = request
  const previous = previousLogPath(inflight, path)
  const answers = yield* issue(work, {
    marker: markerOp(key),
    log: payloadOp(path),
    staged: payloadOp(inflight.staged_path),
    own: ownMarkerOp(own),
    previous: previous === null ? undefined : payloadOp(previous),
  })
  return {
    marker: yield* toMarker(work, key, answers.marker),
    log: yield* toLog(answers.log),
    staged: yield* toStaged(answers.staged),
    own_marker: own && answers.own ? yield* toMarker(work, own, answers.own) : null,
    root_checked: answers.previous === undefined || (yield* toLog(answers.previous)) !== null,
  }
}

/** RT-2: what must exist before a reservation without a pinned path may be acted on under the resolved root. */
export function previousLogPath(inflight: Inflight, path: string): string | null {
  if (inflight.delta_log_path !== undefined || inflight.version === 0) return null
  const root = rootOfLogPath(path, inflight.version)
  return root === null ? null : logPath(root, inflight.version - 1)
}

/** One reservation under HELP, with everything that settling it needs. */
interface Case extends HelpRequest {
  readonly key: MarkerKey
  readonly path: string
}

function* settle(work: Work, it: Case, found: Found): Protocol<Help> {
  const { inflight, latest_version } = it
  const { marker, log } = found
  if (marker !== null && marker.version === inflight.version) {
    yield* note({ note: 'recovered', window: 'W3', action: 'finalized', version: inflight.version })
    return finalized(inflight, marker, latest_version, log, marker.payload_sha256 ?? log?.sha256)
  }
  if (marker !== null) return ghost(it, log)
  if (log !== null) return yield* settleLogged(work, it, found, log, 'W2')
  if (!(yield* isExpired(work, it))) return { help: 'busy' }
  // RT-2: under the wrong root the log entry may exist where we do not look, so nothing is written or dropped.
  if (!found.root_checked) return { help: 'refused', failure: { ok: false, reason: 'root_mismatch' } }
  const payload = ownersPayload(inflight, found.staged)
  // An obsolete reservation (its version is not above latest) can only be finalized or dropped (3.1).
  if (payload !== null && inflight.version > latest_version) {
    const logged = yield* writeLog(work, {
      path: it.path,
      payload,
      owner: it.key,
      request: hashedRequest(inflight),
    })
    return yield* settleLogged(work, it, found, logged, 'W1')
  }
  return yield* settleLost(work, it, found)
}

/** H-5, H-6, H-7: the version is taken; by whom? */
function* settleLogged(
  work: Work,
  it: Case,
  found: Found,
  log: LogEntry,
  window: 'W1' | 'W2',
): Protocol<Help> {
  const { inflight, key } = it
  const { version } = inflight
  const payload_sha256 = inflight.payload_sha256 ?? ownersPayload(inflight, found.staged)?.sha256
  const is_owners =
    payload_sha256 === undefined
      ? yield* namesRequest(log, key, inflight)
      : holdsPayload(log, payload_sha256, key.key_hash)
  const is_adopted =
    !is_owners &&
    payload_sha256 === undefined &&
    log.owner === null &&
    work.settings.unknownOwner(work.table_id) === 'adopt'
  if (!is_owners && !is_adopted) {
    yield* note({ note: 'recovered', window, action: 'foreign', version })
    yield* alert('the log entry of a reserved version is not the payload that reserved it', version)
    return { help: 'settled', change: advanced(it), action: 'foreign', may_fuse: false, log }
  }
  const { now_ms } = yield* now()
  const marker = yield* buildMarker(
    key,
    {
      ...hashedRequest(inflight),
      version,
      delta_log_path: it.path,
      payload_sha256: log.sha256,
      staged_version: inflight.staged_version,
    },
    now_ms,
  )
  const durable = yield* writeMarker(work, key, is_adopted ? { ...marker, recovered_from_log: true } : marker)
  // HP-0: the key turns out to have been decided at another version.
  if (durable.version !== version) return ghost(it, log)
  yield* note({ note: 'recovered', window, action: 'rolled_forward', version })
  return {
    ...finalized(inflight, durable, it.latest_version, log, log.sha256),
    action: 'rolled_forward',
  }
}

/** R25: the entry says that this key wrote it, and for this very request. */
function* namesRequest({ owner, sha256 }: LogEntry, key: MarkerKey, inflight: Inflight): Protocol<boolean> {
  if (owner?.commit_id_sha256 !== key.key_hash) return false
  return owner.request_hash === (yield* requestHash(hashedRequest(inflight), sha256))
}

/** H-8: expired, no log entry, and the payload is definitively gone. */
function* settleLost(work: Work, it: Case, found: Found): Protocol<Help> {
  const { inflight, latest_version } = it
  const { version } = inflight
  const may_seal =
    version > 0 && version > latest_version && work.settings.lostPayload(work.table_id) === 'seal'
  const seal = may_seal ? yield* sealPayload(work, it.path, version) : null
  if (seal === null) {
    yield* note({ note: 'recovered', window: 'W1', action: 'abandoned', version })
    const change: StateChange = { latest_version, inflight: null }
    return { help: 'settled', change, action: 'abandoned', may_fuse: false, log: null }
  }
  const stored = yield* writeSeal(work, it, seal)
  if (stored.sha256 !== seal.sha256) return yield* settleLogged(work, it, found, stored, 'W1')
  yield* note({ note: 'recovered', window: 'W1', action: 'sealed', version })
  return { help: 'settled', change: advanced(it), action: 'sealed', may_fuse: false, log: stored }
}

/** A no-op entry belongs to nobody: it carries no owner metadata. */
function* writeSeal(work: Work, it: Case, seal: Payload): Protocol<LogEntry> {
  return yield* writeLog(
    { ...work, meta: false },
    { path: it.path, payload: seal, owner: it.key, request: hashedRequest(it.inflight) },
  )
}

/** The staged bytes, if they are certainly the ones that were reserved: `available` of 6.5. */
export function ownersPayload(inflight: Inflight, staged: Staged | null): Staged | null {
  if (staged === null) return null
  const is_reserved =
    inflight.payload_sha256 === undefined
      ? sameVersion(staged.token, inflight.staged_version)
      : staged.sha256 === inflight.payload_sha256
  return is_reserved ? staged : null
}

/** Past the TTL by the reader's clock, or by the store's own (CK-2). */
function* isExpired(work: Work, { inflight, seen }: Case): Protocol<boolean> {
  const { now_ms } = yield* now()
  return now_ms >= inflight.expires_at_ms || (seen.age_ms !== null && seen.age_ms >= work.settings.ttl_ms)
}

function hashedRequest(inflight: Inflight): {
  idempotency_key: string
  read_version: number
  staged_path: string
} {
  return {
    idempotency_key: inflight.commit_id,
    read_version: readVersionOf(inflight),
    staged_path: inflight.staged_path,
  }
}

/** H-2: the key was decided elsewhere; only an existing log entry moves the version (X12, X20). */
function ghost(it: Case, log: LogEntry | null): Settled {
  const change: StateChange =
    log === null ? { latest_version: it.latest_version, inflight: null } : advanced(it)
  return { help: 'settled', change, action: 'abandoned', may_fuse: false, log }
}

function advanced({ inflight, latest_version }: Case): StateChange {
  return { latest_version: Math.max(latest_version, inflight.version), inflight: null }
}

/** H-1 and H-5: the reservation is committed and its marker durable. */
function finalized(
  inflight: Inflight,
  marker: Marker,
  latest_version: number,
  log: LogEntry | null,
  payload_sha256: string | undefined,
): Settled {
  const { version, delta_log_path } = marker
  const last_commit: LastCommit | null =
    payload_sha256 === undefined
      ? null
      : {
          commit_id: inflight.commit_id,
          read_version: readVersionOf(inflight),
          staged_path: inflight.staged_path,
          payload_sha256,
          version,
          delta_log_path,
        }
  const is_newest = version > latest_version
  return {
    help: 'settled',
    change: {
      latest_version: Math.max(latest_version, version),
      inflight: null,
      ...(is_newest ? { last_commit } : {}),
    },
    action: 'finalized',
    may_fuse: is_newest,
    log,
  }
}
