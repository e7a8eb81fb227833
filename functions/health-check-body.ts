/** What `POST /internal/health-check` takes and answers, as schemas; the handler itself is loaded when it is first asked for. */
import * as z from 'zod'
import { TABLES_DEFAULT, TABLES_MAX } from '../lib/protocol/maintenance/health/settings.ts'
import { FoundByVerify } from './verify.ts'

/** Body of a health check. */
export const HealthCheckBody = z.strictObject({
  recover: z.boolean().optional().meta({
    description: 'Settle reservations that are past their TTL, as `recover` does; nothing is deleted',
  }),
  limit: z
    .int()
    .min(1)
    .max(TABLES_MAX)
    .optional()
    .meta({ description: `Tables that this run looks at; ${TABLES_DEFAULT} unless told` }),
  cursor: z.string().nullable().optional().meta({
    description:
      '`next` of an earlier answer, or null to begin: the caller keeps the place. Without it the service does, in the bucket',
  }),
})

/** A table that a run brought to rest. */
export const RecoveredByCheck = z.object({
  table_id: z.string(),
  action: z.enum(['none', 'finalized', 'rolled_forward', 'abandoned', 'busy']),
  latest_version: z.int().min(-1),
})

/** What a health check is answered with. */
export const HealthReport = z.object({
  conclusion: z.enum(['clean', 'findings']).meta({
    description: '`findings`: somebody should act. What was recovered is not among that',
  }),
  checked_at: z.string().meta({ description: 'When the run began' }),
  findings: z.array(FoundByVerify).meta({ description: 'The most severe first' }),
  recovered: z.array(RecoveredByCheck).meta({ description: 'Tables that this run brought to rest' }),
  tables: z.int().min(0).meta({ description: 'Tables that were looked at' }),
  next: z
    .string()
    .nullable()
    .meta({ description: '`cursor` of the next run; null when this one saw the last table' }),
  place: z.enum(['kept', 'not_kept', 'callers']).meta({
    description:
      'Who goes on from there: `kept`, the next run without `cursor`; `not_kept`, another run was faster or the store may not be written to; `callers`, whoever sent `cursor`',
  }),
  webhook: z.enum(['none', 'delivered', 'failed']).meta({
    description: '`none`: there is no webhook, or nothing to tell it',
  }),
})
