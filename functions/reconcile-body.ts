/** Body of `POST /internal/reconcile` (spec/reconcile.md 6). */
import * as z from 'zod'

const Scope = z.enum(['current_head_only', 'full']).nullish().meta({
  description: '`full`, the default, or `current_head_only`, which deletes nothing',
})

/** Body of a reconcile. */
export const ReconcileBody = z.strictObject({
  repair: z.boolean().optional().meta({ description: 'Delete what nobody names and is old enough' }),
  repairScope: Scope,
  repair_scope: Scope.meta({ description: 'The same as `repairScope`' }),
})
