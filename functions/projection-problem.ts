/** The problem of a refused compaction or rebuild (spec/http-api.md 5.3): the reason's own members, and its text. */
import type {
  EventsRefused,
  Failure,
  Progress,
  RefusedEvent,
} from '../lib/protocol/orchestration/projection/outcomes.ts'
import type { Problem } from './problem.ts'

/** A refusal, with what a rebuild had published before it. */
export type ProjectionRefusal = Failure & { readonly progress?: Progress }

/** The problem as it is answered. */
export function projectionProblem(refusal: ProjectionRefusal): Problem {
  const { ok: _ok, reason, progress, ...own } = refusal
  const { detail: _detail, ...members } = own as { readonly detail?: string }
  return {
    reason,
    detail: detailOf(refusal) + (progress === undefined ? '' : publishedBefore(progress)),
    members: { ...members, ...(progress === undefined ? {} : { progress }) },
  }
}

function publishedBefore({ watermark_after, remaining }: Progress): string {
  return `; what was published before stays: readers see events up to ${watermark_after ?? 'none'}, ${remaining} are left`
}

function detailOf(refusal: Failure): string {
  switch (refusal.reason) {
    case 'event_not_found':
    case 'event_invalid':
    case 'event_out_of_scope':
    case 'event_path_invalid':
      return eventDetail(refusal) + others(refusal)
    case 'rebuild_manifest_not_found':
      return `rebuild manifest not found: ${refusal.path}`
    case 'lock_corrupt':
      return 'the compaction lock is malformed and was left as it is; force-break it with a sequence, or restore it'
    case 'object_corrupt':
      return `a stored object of class ${refusal.object_class} is malformed, missing or changed and was left as it is; restore it, or rebuild with mode "full"`
    case 'outcome_unknown':
      return 'the store did not confirm the publish; send the identical request again to resolve it'
    case 'storage_unavailable':
      return 'the store did not answer in time and this step published nothing; send the identical request again'
    case 'throttled':
      return 'the store limits writes to this key and this step published nothing; send the identical request again'
    case 'rebuild_manifest_invalid':
    case 'bad_request':
    case 'delete_channel':
    case 'contention':
    case 'lock_missing':
    case 'lock_expired':
    case 'lock_held':
    case 'lease_lost':
    case 'stale_fencing_token':
      return refusal.detail
  }
}

/** Texts of the reference where it has one. */
function eventDetail({ reason, path, detail }: Pick<RefusedEvent, 'reason' | 'path' | 'detail'>): string {
  switch (reason) {
    case 'event_not_found':
      return `event not found: ${path}`
    case 'event_invalid':
      return `failed to parse event at ${path}: ${detail}`
    case 'event_out_of_scope':
      return `event scope mismatch at ${path}: ${detail}`
    case 'event_path_invalid':
      return `invalid event path at ${path}: ${detail}`
  }
}

function others({ paths, truncated }: EventsRefused): string {
  const more = paths.length - 1
  if (more === 0) return ''
  return truncated ? ` (and ${more} more in paths, or more than that)` : ` (and ${more} more in paths)`
}
