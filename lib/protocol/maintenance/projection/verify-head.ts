/** The first stage of verify: pointer, visible manifest, watermarks, lock. Known keys only. */
import * as z from 'zod'
import type { StoredObject } from '../../../store/types.ts'
import type { Protocol } from '../../effects.ts'
import { inspectLock } from '../../lock.ts'
import { isValidKey } from '../../paths.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { compareBytes } from '../../orchestration/byte-order.ts'
import {
  eventIdOfPath,
  LOCK_PATH,
  manifestPath,
  POINTER_PATH,
  RETIRED_MANIFEST_PATH,
} from '../../orchestration/paths.ts'
import { deleteChannelProblem } from '../../orchestration/projection/delete-channel.ts'
import { parseDocument, type DocumentKind } from '../../orchestration/projection/documents.ts'
import { MANIFEST_BYTES_MAX } from '../../orchestration/projection/limits.ts'
import type { Manifest } from '../../orchestration/projection/manifest.ts'
import type { Pointer } from '../../orchestration/projection/pointer.ts'
import { floorOf } from '../../orchestration/projection/watermarks.ts'
import { head, type Maintenance } from '../effects.ts'
import type { Finding } from '../finding.ts'
import { readManifest, readTop, successionFindings, type Top } from './lineage.ts'
import { projectionFinding, REBUILD_BACK } from './rules.ts'
import type { Stage } from './verify.ts'

/** Look at everything that is found by a known key. */
export function* verifyHead(): Maintenance<Stage> {
  const top = yield* readTop()
  const lock = yield* lockFindings(top.kind === 'pointer' ? top.pointer.epoch : 0)
  const { findings, manifest_path } = yield* headFindings(top)
  return {
    findings: [...findings, ...lock],
    objects: 3,
    next:
      manifest_path === null
        ? { stage: 'orphans' }
        : { stage: 'chain', manifest_path, child_path: manifest_path, revisions: 0 },
  }
}

function* headFindings(
  top: Top,
): Maintenance<{ readonly findings: readonly Finding[]; readonly manifest_path: string | null }> {
  switch (top.kind) {
    case 'broken':
      return { findings: [top.finding], manifest_path: null }
    case 'empty': {
      const finding = projectionFinding('PJ-107', { path: POINTER_PATH, detail: 'there is no pointer' })
      return { findings: [finding], manifest_path: null }
    }
    case 'retired': {
      const detail = 'there is no pointer; readers see the manifest of an early version'
      const finding = projectionFinding('PJ-107', { path: RETIRED_MANIFEST_PATH, detail })
      const watermarks = yield* watermarkFindings(top.manifest)
      return { findings: [finding, ...watermarks], manifest_path: RETIRED_MANIFEST_PATH }
    }
    case 'pointer': {
      const { pointer } = top
      const { manifest_path } = pointer
      const read = yield* readManifest(manifest_path, true)
      if ('finding' in read) return { findings: [read.finding], manifest_path: null }
      const { value: manifest, stored } = read.seen
      const findings = [
        ...pointerFindings(pointer, manifest),
        ...successionFindings(manifest_path, manifest, null),
        ...countFindings(manifest_path, manifest, stored),
        ...(yield* watermarkFindings(manifest)),
      ]
      return { findings, manifest_path }
    }
  }
}

function pointerFindings(pointer: Pointer, manifest: Manifest): Finding[] {
  const findings: Finding[] = []
  const { manifest_id, manifest_path, epoch } = pointer
  if (manifest_path !== manifestPath(manifest_id)) {
    const detail = `expected ${manifestPath(manifest_id)} for id ${manifest_id}, got ${manifest_path}`
    findings.push(projectionFinding('PJ-105', { path: POINTER_PATH, detail }))
  }
  if (manifest.manifest_id !== manifest_id || manifest.epoch !== epoch) {
    const detail = `the pointer says id ${manifest_id}, epoch ${epoch}; its manifest ${manifest.manifest_id}, ${manifest.epoch}`
    findings.push(projectionFinding('PJ-106', { path: POINTER_PATH, detail }))
  }
  const problem = deleteChannelProblem(manifest, 'emit')
  if (problem !== null) findings.push(projectionFinding('PJ-308', { path: manifest_path, detail: problem }))
  return findings
}

/** The member that our own reader drops. */
const L0_COUNT: DocumentKind<{ readonly l0_count: number }> = {
  object_class: 'manifest',
  bytes_max: MANIFEST_BYTES_MAX,
  schema: z.object({ l0_count: z.number() }),
}

function countFindings(path: string, { l0_deltas }: Manifest, { bytes }: StoredObject): Finding[] {
  const { l0_count } = parseDocument(L0_COUNT, path, bytes)
  if (l0_count === l0_deltas.length) return []
  return [projectionFinding('PJ-307', { path, detail: `expected ${l0_deltas.length}, got ${l0_count}` })]
}

/** What the watermarks say of each other, of the deltas, and of the ledger (manifests.md 5.1, 7). */
function* watermarkFindings(manifest: Manifest): Maintenance<Finding[]> {
  const path = manifestPath(manifest.manifest_id)
  const { watermarks, l0_deltas } = manifest
  const { last_committed_event_id, last_visible_event_id, events_processed_through, last_processed_file } =
    watermarks
  const problems: string[] = []
  if (isAfter(last_visible_event_id, last_committed_event_id)) {
    problems.push('last_visible_event_id is after last_committed_event_id')
  }
  if (events_processed_through !== last_visible_event_id) {
    problems.push('events_processed_through is not last_visible_event_id')
  }
  for (const { delta_id, event_range } of l0_deltas) {
    const { from_event, to_event } = event_range
    if (isAfter(from_event, to_event)) problems.push(`the range of delta ${delta_id} ends before it begins`)
    if (isAfter(to_event, last_committed_event_id)) {
      problems.push(`delta ${delta_id} has events after last_committed_event_id`)
    }
  }
  if (last_processed_file !== null && eventIdOfPath(last_processed_file) !== last_committed_event_id) {
    problems.push('last_processed_file is not the event last_committed_event_id')
  }
  const is_above = isAfter(floorOf(watermarks), last_committed_event_id)
  const findings = problems.map((detail) =>
    projectionFinding('PJ-401', { path, detail, ...(is_above ? { next: REBUILD_BACK } : {}) }),
  )
  return [...findings, ...(yield* lastEventFindings(last_processed_file))]
}

function* lastEventFindings(last_processed_file: string | null): Maintenance<Finding[]> {
  if (last_processed_file === null || eventIdOfPath(last_processed_file) === null) return []
  if (!isValidKey(last_processed_file)) return []
  const seen = yield* head(last_processed_file)
  if (seen.outcome === 'ok') return []
  const detail = 'the manifest says that it was folded last, and it does not exist'
  return [projectionFinding('PJ-402', { path: last_processed_file, detail })]
}

function isAfter(one: string | null, other: string | null): boolean {
  return one !== null && (other === null || compareBytes(one, other) > 0)
}

function* lockFindings(pointer_epoch: number): Protocol<Finding[]> {
  const names = { epoch: String(pointer_epoch) }
  try {
    const { record, held, left_ms } = yield* inspectLock(LOCK_PATH)
    const findings: Finding[] = []
    if (record !== null && record.sequenceNumber < pointer_epoch) {
      const detail = `its number is ${record.sequenceNumber}, the pointer is at epoch ${pointer_epoch}`
      findings.push(projectionFinding('PJ-502', { path: LOCK_PATH, detail }))
    }
    if (record !== null && held) {
      const what = record.operation ?? 'something'
      const detail = `${record.holderId} holds it for ${what}, for another ${Math.ceil(left_ms / 1_000)} s at most`
      findings.push(projectionFinding('PJ-503', { path: LOCK_PATH, detail }))
    }
    return findings
  } catch (error) {
    if (!(error instanceof StoredObjectError)) throw error
    return [projectionFinding('PJ-501', { path: LOCK_PATH, detail: error.message }, names)]
  }
}
