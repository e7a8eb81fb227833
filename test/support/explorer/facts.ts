/** What a bucket says about the table, and the invariants that hold of every bucket by itself. */
import { statePath } from '../../../lib/protocol/paths.ts'
import type { Body, Bucket } from './bucket.ts'
import { ROOT, TABLE } from './scenario.ts'
import type { Setup } from './setup.ts'
import { Violation } from './violation.ts'

/** A reservation, as stored. */
export interface StoredInflight {
  readonly commit_id: string
  readonly read_version?: number
  readonly version: number
  readonly payload_sha256?: string
  readonly nonce?: string
}

/** The coordinator state, as stored. */
export interface StoredState {
  readonly latest_version: number
  readonly inflight: StoredInflight | null
  readonly revision?: number
  readonly last_commit?: { readonly commit_id: string; readonly version: number } | null
}

/** A marker, as stored. */
export interface StoredMarker {
  readonly idempotency_key: string
  readonly version: number
  readonly delta_log_path: string
  readonly payload_sha256?: string
}

/** What is in the bucket. */
export interface Facts {
  readonly state: StoredState | null
  /** Log entries by version. */
  readonly log: ReadonlyMap<number, Body>
  /** The last version in the log, −1 for none. */
  readonly last: number
  /** Markers by idempotency key. */
  readonly markers: ReadonlyMap<string, StoredMarker>
}

const known = new WeakMap<Bucket, Facts>()

/** Read a bucket, and throw the Violation if it breaks C3, C4, C5, C6 or C8. */
export function factsOf(setup: Setup, bucket: Bucket): Facts {
  const cached = known.get(bucket)
  if (cached !== undefined) return cached
  const facts = read(setup, bucket)
  checkLog(setup, facts)
  checkState(facts)
  checkMarkers(setup, facts)
  checkWindows(setup, facts)
  known.set(bucket, facts)
  return facts
}

/** A coordinator state in bytes. */
export function parseStoredState(text: string): StoredState {
  return JSON.parse(text) as StoredState
}

/** Versions at which these bytes are in the log. */
export function versionsOf(facts: Facts, body: Body): number[] {
  return [...facts.log].flatMap(([version, logged]) => (logged === body ? [version] : []))
}

function read(setup: Setup, bucket: Bucket): Facts {
  const log = new Map<number, Body>()
  const markers = new Map<string, StoredMarker>()
  let state: StoredState | null = null
  for (const { path, body } of setup.buckets.objects(bucket)) {
    if (path === statePath(TABLE)) {
      state = parseStoredState(body.text)
    } else if (path.startsWith(`${ROOT}/_delta_log/`)) {
      log.set(Number(path.slice(`${ROOT}/_delta_log/`.length, -'.json'.length)), body)
    } else if (path.startsWith('delta/idempotency/')) {
      const marker = JSON.parse(body.text) as StoredMarker
      markers.set(marker.idempotency_key, marker)
    }
  }
  return { state, log, last: Math.max(-1, ...log.keys()), markers }
}

/** C3: no holes. C8: one body, one version; one key, one version. */
function checkLog(setup: Setup, facts: Facts): void {
  if (facts.log.size !== facts.last + 1) {
    throw new Violation('C3', `the log has versions ${[...facts.log.keys()].join(', ')}`)
  }
  const keys = new Map<string, Set<number>>()
  for (const { body, key } of setup.requests) {
    const versions = versionsOf(facts, body)
    const requests = setup.requests.filter((other) => other.body === body)
    if (versions.length > requests.length) {
      throw new Violation('C8', `one payload is at versions ${versions.join(' and ')}`)
    }
    // Bytes that two keys have staged cannot be attributed to one of them (C21).
    if (requests.length > 1) continue
    keys.set(key, new Set([...(keys.get(key) ?? []), ...versions]))
  }
  // spec/coordinator.md 14: a client may reuse a key with another body after its payload was destroyed.
  if (setup.scenario.concedes?.includes('second_body_after_loss') === true) return
  for (const [key, versions] of keys) {
    if (versions.size > 1)
      throw new Violation('C8', `key ${key} is at versions ${[...versions].join(' and ')}`)
  }
}

/** C4: the state is never ahead of the log. C5: a reservation is for the next version. */
function checkState({ state, last }: Facts): void {
  if (state === null) return
  const { latest_version, inflight } = state
  if (latest_version > last) {
    throw new Violation('C4', `latest_version ${latest_version} is ahead of the log, which ends at ${last}`)
  }
  if (inflight === null || inflight.nonce === undefined) return
  const { version, read_version } = inflight
  if (version !== latest_version + 1 || read_version !== latest_version) {
    throw new Violation('C5', `latest ${latest_version}, reserved ${version}, read ${read_version}`)
  }
}

/** C6: a marker is true; what it names is a payload of its key. */
function checkMarkers(setup: Setup, { markers, log }: Facts): void {
  for (const { version, payload_sha256, idempotency_key } of markers.values()) {
    const logged = log.get(version)
    if (logged === undefined)
      throw new Violation('C6', `a marker names version ${version}, which is not in the log`)
    if (payload_sha256 !== undefined && payload_sha256 !== logged.sha256) {
      throw new Violation('C6', `the log entry of version ${version} is not what its marker says`)
    }
    const own = setup.requests.filter((request) => request.idempotency_key === idempotency_key)
    if (own.length > 0 && !own.some(({ body }) => body === logged)) {
      throw new Violation(
        'C6',
        `key ${own[0]?.key} is recorded at version ${version}, which holds none of its bodies`,
      )
    }
  }
}

/**
 * The crash windows (spec/coordinator.md 7.1), as long as no payload is lost and nobody else writes the log: a
 * version above `latest_version` is covered by its reservation (9.4), and what `last_commit` names is recorded (R3).
 */
function checkWindows(setup: Setup, { state, last, markers }: Facts): void {
  if (!setup.hasOnlyCommits || state === null) return
  if (last > state.latest_version && state.inflight?.version !== last) {
    throw new Violation(
      '9.4',
      `version ${last} is in the log, latest is ${state.latest_version}, and nobody holds it`,
    )
  }
  const { last_commit } = state
  if (setup.scenario.breaks?.includes('R3') === true) return
  if (last_commit && markers.get(last_commit.commit_id)?.version !== last_commit.version) {
    throw new Violation('R3', `version ${last_commit.version} is finalized and not recorded`)
  }
}
