/** The second stage of verify: every manifest behind the visible one, as far as it is kept (spec/manifests.md 18). */
import { now } from '../../effects.ts'
import { timeMs } from '../../orchestration/projection/document-parts.ts'
import type { Maintenance } from '../effects.ts'
import type { Finding } from '../finding.ts'
import { readManifest, successionFindings } from './lineage.ts'
import type { ReconcileSettings } from './settings.ts'
import type { Stage } from './verify.ts'
import type { PositionOf } from './verify-cursor.ts'

/** Walk back at most `limit` manifests. A break ends the walk and is told; the other stages go on. */
export function* verifyChain(
  { retention }: ReconcileSettings,
  { manifest_path, child_path, revisions }: PositionOf<'chain'>,
  limit: number,
): Maintenance<Stage> {
  const findings: Finding[] = []
  const { now_ms } = yield* now()
  let path = child_path
  let read = yield* readManifest(path, false)
  for (let objects = 1; ; objects++) {
    if ('finding' in read) {
      findings.push(read.finding)
      return { findings, objects, next: { stage: 'artifacts', manifest_path, group: 0 } }
    }
    const { value: child, stored } = read.seen
    const parent = child.previous_manifest_path
    const replaced_ms = Math.max(timeMs(child.published_at), stored.last_modified_ms ?? 0)
    const is_kept = revisions + objects <= retention.revisions || replaced_ms >= now_ms - retention.younger_ms
    if (parent === null || !is_kept) {
      return { findings, objects, next: { stage: 'artifacts', manifest_path, group: 0 } }
    }
    if (objects > limit) {
      const next = {
        stage: 'chain',
        manifest_path,
        child_path: path,
        revisions: revisions + objects,
      } as const
      return { findings, objects, next }
    }
    path = parent
    read = yield* readManifest(path, false)
    if ('finding' in read) continue
    const wrong = successionFindings(path, read.seen.value, child)
    findings.push(...wrong)
    // Where ids do not decrease nothing says that the walk ends.
    if (wrong.some(({ rule }) => rule === 'PJ-203')) {
      return { findings, objects, next: { stage: 'artifacts', manifest_path, group: 0 } }
    }
  }
}
