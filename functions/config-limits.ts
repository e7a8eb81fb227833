/** The part of the configuration that is about being watched and being stormed (spec/http-api.md 8, 9). */
import * as z from 'zod'
import { flag, type Posture } from './config-auth.ts'
import type { MetricsAccess } from './metrics.ts'
import { DEFAULT_RATE_LIMITS, type RateLimits } from './rate-limit.ts'

/** What this part comes to. */
export interface LimitsConfig {
  readonly metrics_access: MetricsAccess
  /** Null: tenants may ask as often as they like. */
  readonly rate_limits: RateLimits | null
}

const count = z
  .string()
  .regex(/^\d{1,7}$/, 'expected an integer from 1 to 9999999')
  .transform(Number)
  .refine((value) => value > 0, 'expected an integer from 1 to 9999999')

/** The variables of this part. */
export const LimitsVariables = z.object({
  ARCO_METRICS_SECRET: z.string().optional(),
  TIDEMARK_METRICS: z.enum(['on', 'off'], { error: 'expected on or off' }).default('on'),
  TIDEMARK_RATE_LIMIT: flag.optional(),
  TIDEMARK_RATE_LIMIT_PER_MINUTE: count.optional(),
  TIDEMARK_RATE_LIMIT_BURST: count.optional(),
})
type LimitsVariables = z.infer<typeof LimitsVariables>

/**
 * Derive them. In the dev posture, which is one user on one machine, nobody is limited unless the deployment says so; a limit
 * that is named is one that is wanted.
 */
export function limitsConfigOf(variables: LimitsVariables, posture: Posture): LimitsConfig {
  const {
    TIDEMARK_RATE_LIMIT: wanted,
    TIDEMARK_RATE_LIMIT_PER_MINUTE: per_minute,
    TIDEMARK_RATE_LIMIT_BURST: burst,
  } = variables
  const is_limited = wanted ?? (posture !== 'dev' || per_minute !== undefined || burst !== undefined)
  return {
    metrics_access: metricsAccessOf(variables, posture),
    rate_limits: is_limited
      ? {
          per_minute: per_minute ?? DEFAULT_RATE_LIMITS.per_minute,
          burst: burst ?? DEFAULT_RATE_LIMITS.burst,
        }
      : null,
  }
}

function metricsAccessOf(
  { ARCO_METRICS_SECRET: secret, TIDEMARK_METRICS: metrics }: LimitsVariables,
  posture: Posture,
): MetricsAccess {
  if (posture === 'public') return 'hidden'
  if (metrics === 'off') return 'off'
  return secret === undefined ? 'open' : { secret }
}
