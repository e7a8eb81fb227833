/** What the head of the projection says of itself: pointer, visible manifest and its watermarks. Nothing is read here. */
import * as z from 'zod'
import type { StoredObject } from '../../../store/types.ts'
import { compareBytes } from '../../orchestration/byte-order.ts'
import { eventIdOfPath, manifestPath, POINTER_PATH } from '../../orchestration/paths.ts'
import { deleteChannelProblem } from '../../orchestration/projection/delete-channel.ts'
import { parseDocument, type DocumentKind } from '../../orchestration/projection/documents.ts'
import { MANIFEST_BYTES_MAX } from '../../orchestration/projection/limits.ts'
import type { Manifest } from '../../orchestration/projection/manifest.ts'
import type { Pointer } from '../../orchestration/projection/pointer.ts'
import { floorOf } from '../../orchestration/projection/watermarks.ts'
import type { Finding } from '../finding.ts'
import { projectionFinding, REBUILD_BACK } from './rules.ts'

/** What pointer and manifest say of each other, and whether the manifest may be compacted (manifests.md 3, 10, 18). */
export function pointerFindings(pointer: Pointer, manifest: Manifest): Finding[] {
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

/** Whether the manifest counts its deltas right (M6). */
export function countFindings(path: string, { l0_deltas }: Manifest, { bytes }: StoredObject): Finding[] {
  const { l0_count } = parseDocument(L0_COUNT, path, bytes)
  if (l0_count === l0_deltas.length) return []
  return [projectionFinding('PJ-307', { path, detail: `expected ${l0_deltas.length}, got ${l0_count}` })]
}

/** What the watermarks say of each other and of the deltas (manifests.md 5.1, 7). */
export function watermarkFindings(manifest: Manifest): Finding[] {
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
  return problems.map((detail) =>
    projectionFinding('PJ-401', { path, detail, ...(is_above ? { next: REBUILD_BACK } : {}) }),
  )
}

function isAfter(one: string | null, other: string | null): boolean {
  return one !== null && (other === null || compareBytes(one, other) > 0)
}
