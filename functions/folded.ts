/** The 200 of `/compact` and `/rebuild` (spec/http-api.md 5.2, spec/rebuild.md 8), and the lines of a followed rebuild. */
import * as z from 'zod'

const Count = z.int().min(0)

/** What became of the listed events, and what readers see now. */
export const FoldedBody = z.object({
  events_processed: Count.meta({
    description: 'Distinct events that were read and offered to the fold, whatever became of them',
  }),
  accounting: z
    .object({
      applied: Count.meta({ description: 'Changed rows' }),
      no_effect: Count.meta({ description: 'Folded and changed nothing' }),
      duplicate: Count.meta({ description: 'Listed again, or applied before' }),
      below_floor: Count.meta({
        description: 'At or below the watermark, so not read; `mode: "full"` reads them',
      }),
      quarantined: Count.meta({ description: 'Left out because they do not decode' }),
      older_than_idempotency_window: Count.meta({
        description: 'Of the others: so old that they may have been applied a second time',
      }),
    })
    .meta({ description: 'Every listed path is in exactly one of the first five' }),
  delta_id: z.string().optional().meta({ description: 'Only when the last revision added a delta' }),
  manifest_id: z.string().meta({ description: 'The visible manifest, 20 digits' }),
  manifest_revision: z.string().meta({ description: 'A new one exactly when this call published' }),
  pointer_version: z
    .string()
    .meta({ description: 'Version token of the pointer; empty when nothing was ever published' }),
  visibility_status: z.enum(['visible', 'persisted_not_visible']),
  repair_pending: z.boolean(),
  merged_to_base: z.boolean().meta({ description: 'The last revision is a new base snapshot' }),
  revisions: Count.meta({ description: 'Revisions that this call published' }),
  watermark_before: z.string().nullable().meta({ description: 'Highest visible event before' }),
  watermark_after: z.string().nullable().meta({ description: 'Highest visible event now' }),
  remaining: Count.meta({
    description: 'Events left for the next call with the same body; 0 when all is done',
  }),
  rebuild_id: z
    .string()
    .optional()
    .meta({ description: 'Of a rebuild: its name in logs, and that of its private chunks in the bucket' }),
  dry_run: z.literal(true).optional().meta({ description: 'Nothing was written' }),
  row_counts: z
    .object({})
    .catchall(Count)
    .optional()
    .meta({ description: 'Of a dry run: rows that would be written, by table' }),
})

/** One line of progress of a rebuild that is followed. */
export const ProgressBody = z.object({
  rebuild_id: z.string(),
  mode: z.enum(['incremental', 'full']),
  listed: Count.meta({ description: 'Paths as listed' }),
  events_total: Count.meta({ description: 'Distinct events among them' }),
  events_read: Count.meta({ description: 'Events that this call has read' }),
  events_folded: Count.meta({ description: 'Events from the beginning of the list that are folded' }),
  events_published: Count.meta({ description: 'Events from the beginning of the list that readers see' }),
  remaining: Count.meta({ description: 'Events that are not folded yet' }),
  events_per_second: Count.meta({ description: 'Of this call' }),
  elapsed_ms: Count,
})
