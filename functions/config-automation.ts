/** The part of the configuration that is about the repair automation (spec/reconcile.md 7). Strict: wrong is not started. */
import * as z from 'zod'
import type { Automation } from '../lib/protocol/maintenance/projection/automation.ts'

/** How often it runs, and what it does. */
export interface AutomationConfig extends Automation {
  /** From the end of start on: the first run is one interval later. */
  readonly interval_ms: number
}

/** What a timer takes at most, in seconds. */
const INTERVAL_SECS_MAX = 2_147_483

function choice<const C extends string>(choices: readonly [C, ...C[]], expected: string): z.ZodType<C> {
  return z
    .string()
    .trim()
    .toLowerCase()
    .pipe(z.enum(choices, { error: `expected ${expected}` }))
}

/** The variables of this part. */
export const AutomationVariables = z.object({
  ARCO_FLOW_COMPACTOR_REPAIR_AUTOMATION_MODE: choice(
    ['disabled', 'dry_run', 'enforce'],
    'disabled, dry_run or enforce',
  ).default('dry_run'),
  // Not trimmed, as in the reference.
  ARCO_FLOW_COMPACTOR_REPAIR_AUTOMATION_INTERVAL_SECS: z
    .string()
    .regex(/^\d{1,20}$/, 'expected an unsigned integer')
    .transform((text) => Math.min(Math.max(Number(text), 1), INTERVAL_SECS_MAX))
    .default(300),
  ARCO_FLOW_COMPACTOR_REPAIR_AUTOMATION_SCOPE: choice(
    ['full', 'current_head_only'],
    'full or current_head_only',
  ).default('full'),
})

/** The automation; null when it is disabled. */
export function automationOf(variables: z.infer<typeof AutomationVariables>): AutomationConfig | null {
  const mode = variables.ARCO_FLOW_COMPACTOR_REPAIR_AUTOMATION_MODE
  if (mode === 'disabled') return null
  return {
    mode,
    scope: variables.ARCO_FLOW_COMPACTOR_REPAIR_AUTOMATION_SCOPE,
    interval_ms: variables.ARCO_FLOW_COMPACTOR_REPAIR_AUTOMATION_INTERVAL_SECS * 1_000,
  }
}
