/**
 * INSPECT the projection and its lock (issue 7): what is stored, where a publisher stopped, who acts next and when, and the
 * request that resolves it. Known keys only; reads, never writes. Broken objects are findings, not refusals.
 */
import { all, get, now, together, type Protocol } from '../../effects.ts'
import { inspectLock, type LockRecord } from '../../lock.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { LOCK_PATH, manifestPath, POINTER_PATH } from '../../orchestration/paths.ts'
import { failureOf } from '../../orchestration/projection/answer.ts'
import { timeMs } from '../../orchestration/projection/document-parts.ts'
import { epochOf, POINTER_OP } from '../../orchestration/projection/head.ts'
import { MANIFEST_BYTES_MAX } from '../../orchestration/projection/limits.ts'
import type { Manifest, Watermarks } from '../../orchestration/projection/manifest.ts'
import { idNumber, idText } from '../../orchestration/projection/manifest-id.ts'
import type { Failure } from '../../orchestration/projection/outcomes.ts'
import type { Pointer } from '../../orchestration/projection/pointer.ts'
import { bySeverity, type Finding } from '../finding.ts'
import { countFindings, pointerFindings, watermarkFindings } from './head-findings.ts'
import { readManifest, readTop, type Top } from './lineage.ts'
import { projectionFinding, REBUILD_BACK } from './rules.ts'

/** A request as a client sends it. */
export interface SuggestedRequest {
  readonly method: 'POST'
  readonly path: string
  readonly body: Readonly<Record<string, string | number | boolean>>
}

/** Who acts next, from when on, and what resolves it. */
export interface ProjectionResolution {
  /** `holder`: whoever holds the lock. `anybody`: the next compaction. `operator`: nothing goes on by itself. */
  readonly by: 'holder' | 'anybody' | 'operator'
  /** From then on anybody may go on, epoch ms; null when that is so already, or never by itself. */
  readonly from_ms: number | null
  /** What is left of that time, ms. */
  readonly ttl_left_ms: number
  /** Null when nothing has to be done. */
  readonly request: SuggestedRequest | null
}

/** The lock, and what comes next for whoever waits for it. */
export interface InspectedLock {
  readonly ok: true
  readonly lock_path: string
  /** As it is stored; null when there is none, or it does not parse. */
  readonly record: LockRecord | null
  readonly held: boolean
  /** Below it no token publishes; 0 when nothing was published or the pointer does not parse. */
  readonly pointer_epoch: number
  readonly resolution: ProjectionResolution
  readonly findings: readonly Finding[]
}

/** Look at the lock. */
export function* inspectCompactionLock(): Protocol<InspectedLock | Failure> {
  try {
    const [answer] = yield* all([POINTER_OP])
    return yield* lookAtLock(yield* epochOf(answer))
  } catch (error) {
    return failureOf(error)
  }
}

function* lookAtLock(pointer_epoch: number): Protocol<InspectedLock> {
  const about = { ok: true, lock_path: LOCK_PATH, pointer_epoch } as const
  try {
    const { record, held, left_ms } = yield* inspectLock(LOCK_PATH)
    const findings: Finding[] = []
    if (record !== null && record.sequenceNumber < pointer_epoch) {
      const detail = `its number is ${record.sequenceNumber}, the pointer is at epoch ${pointer_epoch}`
      findings.push(projectionFinding('PJ-502', { path: LOCK_PATH, detail }))
    }
    if (!held) return { ...about, record, held, findings, resolution: NOBODY_WAITS }
    const detail = `held by ${record?.holderId ?? '?'} for ${record?.operation ?? 'something'}`
    findings.push(projectionFinding('PJ-503', { path: LOCK_PATH, detail }))
    const resolution: ProjectionResolution = {
      by: 'holder',
      from_ms: (yield* now()).now_ms + left_ms,
      ttl_left_ms: left_ms,
      request: FORCE_BREAK,
    }
    return { ...about, record, held, findings, resolution }
  } catch (error) {
    if (!(error instanceof StoredObjectError)) throw error
    const names = { epoch: String(pointer_epoch) }
    const finding = projectionFinding('PJ-501', { path: LOCK_PATH, detail: error.message }, names)
    const body = { reason: 'the record does not parse', sequence: pointer_epoch }
    const request = { ...FORCE_BREAK, body }
    const resolution = { by: 'operator', from_ms: null, ttl_left_ms: 0, request } as const
    return { ...about, record: null, held: false, findings: [finding], resolution }
  }
}

const NOBODY_WAITS: ProjectionResolution = { by: 'anybody', from_ms: null, ttl_left_ms: 0, request: null }

const FORCE_BREAK: SuggestedRequest = {
  method: 'POST',
  path: '/internal/locks/orchestration/force-break',
  body: { reason: 'its holder is gone' },
}

const REBUILD: SuggestedRequest = {
  method: 'POST',
  path: '/rebuild',
  body: { rebuild_manifest_path: 'state/orchestration/rebuilds/{name}.json', mode: 'full' },
}

/** Readers see the projection, and no compaction mends it: none is taken (M11), or its watermark stays wrong (P6). */
const NEED_REBUILD: ReadonlySet<string> = new Set(['PJ-308', 'PJ-401'])

function rebuildFor({ next }: Finding): SuggestedRequest {
  return next === REBUILD_BACK ? { ...REBUILD, body: { ...REBUILD.body, allow_regression: true } } : REBUILD
}

const REPAIR: SuggestedRequest = { method: 'POST', path: '/internal/reconcile', body: { repair: true } }

/** The parts of the visible manifest that an operator asks for first. */
export interface InspectedManifest {
  readonly manifest_id: string
  readonly revision_ulid: string
  readonly schema_version: number
  readonly published_at: string
  readonly previous_manifest_path: string | null
  readonly base_snapshot_id: string | null
  readonly l0_count: number
  readonly watermarks: Watermarks
}

/** What is stored of the projection. */
export interface InspectedProjection {
  readonly ok: true
  /** Null when there is none, or it does not parse. */
  readonly pointer: Pointer | null
  readonly manifest: InspectedManifest | null
  /** Time since the watermark moved, ms; null when it never did. */
  readonly watermark_age_ms: number | null
  /** The next manifest id, and whether something lies there already. */
  readonly next_manifest: { readonly path: string; readonly is_taken: boolean } | null
  /** Where a publisher is or stopped (manifests.md 17): `L` holds the lock, `S` a manifest without pointer. */
  readonly crash_window: 'L' | 'S' | null
  readonly lock: Omit<InspectedLock, 'ok' | 'findings' | 'resolution'>
  readonly resolution: ProjectionResolution
  /** The worst first. */
  readonly findings: readonly Finding[]
}

/** Look at pointer, visible manifest, lock, and the key of the next manifest. */
export function* inspectProjection(): Protocol<InspectedProjection | Failure> {
  try {
    return yield* inspectOrThrow()
  } catch (error) {
    return failureOf(error)
  }
}

function* inspectOrThrow(): Protocol<InspectedProjection> {
  const top = yield* readTop()
  const pointer = top.kind === 'pointer' ? top.pointer : null
  const [{ manifest, findings }, { ok: _ok, findings: lock_findings, resolution, ...lock }] = yield* together(
    visibleManifest(top),
    lookAtLock(pointer?.epoch ?? 0),
  )
  const next_manifest = yield* nextManifest(pointer)
  const is_taken = next_manifest?.is_taken === true
  const broken = findings.find(({ severity, rule }) => severity === 'error' || NEED_REBUILD.has(rule))
  const { now_ms } = yield* now()
  const moved_ms = manifest === null ? 0 : timeMs(manifest.watermarks.last_processed_at)
  if (is_taken && !lock.held) {
    const detail = `the pointer names ${pointer?.manifest_path ?? ''}, and something lies at the next id`
    findings.push(projectionFinding('RC-104', { path: next_manifest.path, detail }))
  }
  return {
    ok: true,
    pointer,
    manifest: manifest === null ? null : summaryOf(manifest),
    watermark_age_ms: moved_ms === 0 ? null : Math.max(0, now_ms - moved_ms),
    next_manifest,
    crash_window: is_taken ? 'S' : lock.held ? 'L' : null,
    lock,
    resolution: broken
      ? { by: 'operator', from_ms: null, ttl_left_ms: 0, request: rebuildFor(broken) }
      : resolution.by === 'anybody' && is_taken
        ? { ...resolution, request: REPAIR }
        : resolution,
    findings: [...findings, ...lock_findings].toSorted(bySeverity),
  }
}

function* visibleManifest(
  top: Top,
): Protocol<{ readonly manifest: Manifest | null; readonly findings: Finding[] }> {
  switch (top.kind) {
    case 'broken':
      return { manifest: null, findings: [top.finding] }
    case 'empty':
      return { manifest: null, findings: [yield* withoutPointer()] }
    case 'retired': {
      const detail = 'there is no pointer; readers see the manifest of an early version'
      return {
        manifest: top.manifest,
        findings: [projectionFinding('PJ-107', { path: POINTER_PATH, detail })],
      }
    }
    case 'pointer': {
      const { manifest_path } = top.pointer
      const read = yield* readManifest(manifest_path, true)
      if ('finding' in read) return { manifest: null, findings: [read.finding] }
      const { value, stored } = read.seen
      const findings = [
        ...pointerFindings(top.pointer, value),
        ...countFindings(manifest_path, value, stored),
        ...watermarkFindings(value),
      ]
      return { manifest: value, findings }
    }
  }
}

/** Nothing was published yet, unless the first manifest is there: then its pointer was lost. */
function* withoutPointer(): Protocol<Finding> {
  const first = manifestPath(idText(1))
  const { outcome } = yield* get(first, MANIFEST_BYTES_MAX)
  return outcome === 'not_found'
    ? projectionFinding('PJ-107', { path: POINTER_PATH, detail: 'there is no pointer' })
    : projectionFinding('PJ-102', {
        path: POINTER_PATH,
        detail: `there is no pointer, and there is ${first}`,
      })
}

function* nextManifest(
  pointer: Pointer | null,
): Protocol<{ readonly path: string; readonly is_taken: boolean } | null> {
  const id = pointer === null ? null : idNumber(pointer.manifest_id)
  if (id === null || !Number.isSafeInteger(id + 1)) return null
  const path = manifestPath(idText(id + 1))
  const answer = yield* get(path, MANIFEST_BYTES_MAX)
  return { path, is_taken: answer.outcome === 'ok' }
}

function summaryOf(manifest: Manifest): InspectedManifest {
  const { manifest_id, revision_ulid, schema_version, published_at, previous_manifest_path } = manifest
  return {
    manifest_id,
    revision_ulid,
    schema_version,
    published_at,
    previous_manifest_path,
    base_snapshot_id: manifest.base_snapshot.snapshot_id,
    l0_count: manifest.l0_deltas.length,
    watermarks: manifest.watermarks,
  }
}
