/** The body of a refusal as a schema (spec/http-api.md 6.1); `problem.ts` makes the bodies. */
import * as z from 'zod'

/** A finding of the payload rules, `payload_invalid` only. */
const FindingBody = z.object({
  rule: z.string().meta({ description: 'The rule that was broken', examples: ['DL-202'] }),
  severity: z.enum(['error', 'warn', 'info']),
  line: z.int().min(1).optional().meta({ description: 'Line of the payload, from 1' }),
  detail: z.string(),
})

/** One event that cannot be folded. */
const RefusedEventBody = z.object({
  reason: z.string(),
  path: z.string(),
  detail: z.string(),
  offset: z.int().min(0).optional(),
})

/** How far a rebuild had come; what it published stays. */
const ProgressBefore = z.object({
  events_processed: z.int().min(0),
  revisions: z.int().min(0),
  watermark_after: z.string().nullable(),
  remaining: z.int().min(0),
})

/** What every refusal says, and what some reasons add. */
export const ProblemBody = z.object({
  type: z.string().meta({ description: 'Where the reason is explained: `docs/problems.md#` and the reason' }),
  title: z.string().meta({ description: 'One fixed text per reason' }),
  status: z.int().min(400).max(599).meta({ description: 'The HTTP status' }),
  detail: z
    .string()
    .meta({ description: 'What was expected, what was seen, what to do next; no program should read it' }),
  code: z.string().meta({ description: "Arco's code" }),
  message: z.string().meta({ description: 'Repeats `detail`, for clients of Arco' }),
  error: z.string().optional().meta({ description: 'Repeats `detail`, on compactor routes' }),
  reason: z.string().meta({ description: 'What programs decide on' }),
  retryable: z.boolean().meta({ description: 'The identical request may get another answer later' }),
  request_id: z.string().meta({ description: 'As in X-Request-Id' }),
  retry_after_ms: z.int().min(0).optional().meta({ description: 'When to send it again' }),
  latest_version: z
    .int()
    .min(-1)
    .optional()
    .meta({ description: 'The latest version of the table, when known' }),
  state_missing: z
    .literal(true)
    .optional()
    .meta({ description: 'The table has a log and no coordinator state' }),
  expires_at_ms: z.int().optional().meta({ description: 'When the reservation in the way may be dropped' }),
  committed_version: z.int().min(0).optional().meta({ description: 'The version to compare, when known' }),
  log_version_exists: z
    .boolean()
    .optional()
    .meta({ description: 'Whether the log has the version, when known' }),
  findings: z.array(FindingBody).optional().meta({ description: 'Every rule that the payload breaks' }),
  object_class: z.string().optional().meta({ description: 'Which kind of stored object is broken' }),
  path: z.string().optional().meta({ description: 'The listed path, or the list, that is refused' }),
  offset: z
    .int()
    .min(0)
    .optional()
    .meta({ description: 'Byte of the object at which it stops being an event' }),
  paths: z
    .array(RefusedEventBody)
    .optional()
    .meta({ description: 'Every refused event, the first one included' }),
  truncated: z.boolean().optional().meta({ description: 'There may be more than `paths` has' }),
  progress: ProgressBefore.optional().meta({
    description: 'What a rebuild had published before it was refused; it stays',
  }),
  holder_id: z.string().optional().meta({ description: 'Who holds the lock' }),
  ready: z.literal(false).optional().meta({ description: 'On /ready only' }),
})
