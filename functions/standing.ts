/** How far a rebuild has come, and who holds the lock: what operators are shown. */
import * as z from 'zod'

const Count = z.int().min(0)

/** The 200 of `GET /rebuilds/{rebuild}`. */
export const StandingBody = z.object({
  rebuild_manifest_path: z
    .string()
    .meta({ description: 'The list; a rebuild goes on when it is sent again' }),
  listed: Count.meta({ description: 'Paths as listed' }),
  events_total: Count.meta({ description: 'Distinct events among them' }),
  events_published: Count.meta({ description: 'Of these, at or below what readers see' }),
  remaining: Count.meta({ description: 'What an incremental rebuild would still take' }),
  watermark: z.string().nullable().meta({ description: 'Highest visible event' }),
  manifest_id: z.string().nullable().meta({ description: 'The visible manifest' }),
  manifest_revision: z.string().nullable(),
  published_at: z.string().nullable().meta({ description: 'When it was published' }),
  damage: z.string().nullable().meta({
    description:
      'Which of pointer and manifest cannot be read; null when both can. Artifacts are not looked at: `npm run verify` does',
  }),
  from_scratch: z
    .object({
      rebuild_id: z.string(),
      events_folded: Count.meta({ description: 'In finished private chunks' }),
      remaining: Count,
    })
    .nullable()
    .meta({
      description:
        'Chunks of `mode: "full"` of this list that are kept, also when it is done: the last chunk never is; null when there are none',
    }),
  lock: z
    .object({ holder_id: z.string(), operation: z.string().nullable(), expires_at: z.string() })
    .nullable()
    .meta({ description: 'Who is at work; null when nobody is' }),
})

/** Members that Tidemark does not know are shown as they are. */
const LockRecordBody = z.looseObject({
  holderId: z.string(),
  expiresAt: z.string(),
  acquiredAt: z.string(),
  sequenceNumber: Count.meta({ description: 'The fencing token of this holder' }),
  operation: z.string().nullish(),
  ttlMs: Count.optional(),
  renewedAt: z.string().optional(),
})

/** The 200 of the lock routes. */
export const LockBody = z.object({
  lock_path: z.string(),
  lock_scope: z
    .enum(['scoped', 'bucket-root'])
    .meta({ description: 'Below the scope, or at the bucket root' }),
  held: z.boolean().meta({ description: 'Others wait for it' }),
  left_ms: Count.meta({ description: 'For how long, at most' }),
  pointer_epoch: Count.nullable().meta({
    description: 'No lower fencing token can publish; null when nothing was published, or it cannot be read',
  }),
  record: LockRecordBody.nullable().meta({ description: 'As it is stored; null when there is none' }),
})

/** Body of a force-break. */
export const BreakLockBody = z.strictObject({
  reason: z.string().meta({ description: 'Why; for the log', minLength: 1 }),
  sequence: z.int().optional().meta({
    description:
      'Only for a record that does not parse: the number to go on from, at least the epoch of the pointer',
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
  }),
})
