/** What reconcile, verify and inspect of the projection are answered with, as schemas. */
import * as z from 'zod'
import { FoundByVerify } from './verify.ts'

const Count = z.int().min(0)

/** The 200 of `POST /internal/reconcile`. */
export const ReconciledBody = z.object({
  report: z.object({
    checked_at: z.string().meta({ description: 'When the check ended' }),
    current_manifest_path: z.string().nullable().meta({ description: 'Null without a pointer' }),
    missing_current_head_legacy_manifest_path: z.null().meta({ description: 'Always null' }),
    current_head_legacy_manifest_issue: z.null().meta({ description: 'Always null' }),
    orphan_manifest_snapshots: z.array(z.string()).meta({ description: 'Manifests that nothing names' }),
    orphan_base_dirs: z.array(z.string()).meta({ description: 'Folders of bases that nothing names' }),
    orphan_l0_dirs: z.array(z.string()).meta({ description: 'Folders of deltas that nothing names' }),
  }),
  repair_result: z
    .object({
      repaired_paths: Count.meta({ description: 'Always 0' }),
      failed_repairs: Count.meta({ description: 'Entries that the store did not delete' }),
      deleted_objects: Count,
      skipped_paths: Count.meta({
        description: 'Entries that are reachable now, have changed, or must stay',
      }),
      deferred_paths: Count.meta({ description: 'Entries younger than an hour' }),
      deleted_bytes: Count,
    })
    .optional()
    .meta({ description: 'With `repair`' }),
  findings: z.array(FoundByVerify).meta({ description: 'The worst first' }),
})

/** The 200 of `GET /internal/verify/projection`. */
export const VerifiedProjection = z.object({
  findings: z.array(FoundByVerify).meta({ description: 'The worst first' }),
  objects: Count.meta({ description: 'Objects that were looked at' }),
  next: z.string().nullable().meta({ description: '`cursor` of the next page; null when all was looked at' }),
})

const Resolution = z.object({
  by: z.enum(['holder', 'anybody', 'operator']).meta({
    description:
      '`holder`: whoever holds the lock. `anybody`: the next compaction. `operator`: nothing goes on by itself',
  }),
  from_ms: z
    .int()
    .nullable()
    .meta({ description: 'From then on anybody may go on; null when that is so already' }),
  ttl_left_ms: z.number().meta({ description: 'What is left of that time' }),
  request: z
    .object({
      method: z.literal('POST'),
      path: z.string(),
      body: z.looseObject({}),
    })
    .nullable()
    .meta({ description: 'What resolves it; null when nothing has to be done' }),
})

const LockParts = {
  lock_path: z.string(),
  record: z.looseObject({ holderId: z.string() }).nullable().meta({
    description: 'As it is stored; null when there is none, or it does not parse',
  }),
  held: z.boolean(),
  pointer_epoch: Count.meta({ description: 'No lower fencing token publishes' }),
}

/** The 200 of `GET /internal/inspect/lock`. */
export const InspectedLockBody = z.object({
  ...LockParts,
  resolution: Resolution,
  findings: z.array(FoundByVerify),
})

/** The 200 of `GET /internal/inspect/projection`. */
export const InspectedProjectionBody = z.object({
  pointer: z
    .object({
      manifest_id: z.string(),
      manifest_path: z.string(),
      epoch: Count,
      parent_pointer_hash: z.string().nullable(),
      updated_at: z.string(),
    })
    .nullable()
    .meta({ description: 'Null when there is none, or it does not parse' }),
  manifest: z
    .object({
      manifest_id: z.string(),
      revision_ulid: z.string(),
      schema_version: Count,
      published_at: z.string(),
      previous_manifest_path: z.string().nullable(),
      base_snapshot_id: z.string().nullable(),
      l0_count: Count,
      watermarks: z.object({
        last_committed_event_id: z.string().nullable(),
        last_visible_event_id: z.string().nullable(),
        events_processed_through: z.string().nullable(),
        last_processed_file: z.string().nullable(),
        last_processed_at: z.string(),
      }),
    })
    .nullable()
    .meta({ description: 'The visible manifest; null when there is none, or it cannot be read' }),
  watermark_age_ms: z.number().nullable().meta({ description: 'Since the watermark moved' }),
  next_manifest: z
    .object({ path: z.string(), is_taken: z.boolean() })
    .nullable()
    .meta({ description: 'The next manifest id, and whether something lies there already' }),
  crash_window: z.enum(['L', 'S']).nullable().meta({
    description: '`L`: somebody holds the lock. `S`: there is a manifest above the pointer',
  }),
  lock: z.object(LockParts),
  resolution: Resolution,
  findings: z.array(FoundByVerify).meta({ description: 'The worst first' }),
})

/** The 200 of `GET …/inspect/key`. */
export const InspectedKeyBody = z.object({
  idempotency_key_hash: z.string().meta({ description: 'SHA-256 of the key' }),
  stage: z.enum(['unseen', 'reserved', 'logged', 'recorded', 'finalized']).meta({
    description: 'How far its commit has come; `unseen`: neither reserved nor recorded',
  }),
  version: z.int().nullable().meta({ description: 'The version that it has, or has reserved' }),
  delta_log_path: z.string().nullable(),
  has_log_entry: z.boolean().nullable().meta({ description: 'Whether that version is in the log' }),
  committed_at_ms: z.int().nullable(),
  crash_window: z.enum(['W0', 'W1', 'W2', 'W3', 'W4']).nullable(),
  resolution: z
    .looseObject({ by: z.enum(['owner', 'anybody']) })
    .nullable()
    .meta({
      description: 'As of inspect; null when its reservation is not the one in flight',
    }),
})
