/** The first stage of verify: pointer, visible manifest, watermarks, lock. Known keys only. */
import type { Protocol } from '../../effects.ts'
import { inspectLock } from '../../lock.ts'
import { isValidKey } from '../../paths.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { eventIdOfPath, LOCK_PATH, POINTER_PATH, RETIRED_MANIFEST_PATH } from '../../orchestration/paths.ts'
import type { Manifest } from '../../orchestration/projection/manifest.ts'
import { head, type Maintenance } from '../effects.ts'
import type { Finding } from '../finding.ts'
import { countFindings, pointerFindings, watermarkFindings } from './head-findings.ts'
import { readManifest, readTop, successionFindings, type Top } from './lineage.ts'
import { projectionFinding } from './rules.ts'
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
      const watermarks = yield* allWatermarkFindings(top.manifest)
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
        ...(yield* allWatermarkFindings(manifest)),
      ]
      return { findings, manifest_path }
    }
  }
}

function* allWatermarkFindings(manifest: Manifest): Maintenance<Finding[]> {
  const { last_processed_file } = manifest.watermarks
  return [...watermarkFindings(manifest), ...(yield* lastEventFindings(last_processed_file))]
}

function* lastEventFindings(last_processed_file: string | null): Maintenance<Finding[]> {
  if (last_processed_file === null || eventIdOfPath(last_processed_file) === null) return []
  if (!isValidKey(last_processed_file)) return []
  const seen = yield* head(last_processed_file)
  if (seen.outcome === 'ok') return []
  const detail = 'the manifest says that it was folded last, and it does not exist'
  return [projectionFinding('PJ-402', { path: last_processed_file, detail })]
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
