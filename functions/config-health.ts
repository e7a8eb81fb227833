/** The part of the configuration that is about the health check: when it runs by itself, what it may do, whom it tells. */
import * as z from 'zod'
import { DAY_MS } from '../lib/protocol/orchestration/events/instant.ts'
import { flag } from './config-auth.ts'
import { integer } from './config-compactor.ts'
import { DEFAULT_HEALTH_SETTINGS, type HealthSettings, type WebhookSettings } from './health-settings.ts'

/** What this part comes to. */
export interface HealthConfig extends HealthSettings {
  /** Time between two runs on Node and Deno, s; null: nothing runs by itself there. */
  readonly interval_secs: number | null
  /** Whether runs that nobody asked for settle what is past its TTL. */
  readonly recovers: boolean
  /** When the operator's `doctor` passed, epoch ms. */
  readonly certified_at_ms: number | null
}

const SECRET_CHARS_MIN = 32
const LOOPBACK = /^(127(\.\d{1,3}){3}|localhost|\[::1\])$/

/** A report names tables: it goes over TLS, or stays on this machine. */
const url = z.string().refine((text) => {
  const parsed = URL.parse(text)
  if (parsed === null || parsed.username !== '' || parsed.password !== '') return false
  return parsed.protocol === 'https:' || (parsed.protocol === 'http:' && LOOPBACK.test(parsed.hostname))
}, 'expected an https URL without a user; http only to a loopback address')

const date = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, 'expected a date, YYYY-MM-DD')
  .transform((text) => Date.parse(`${text}T00:00:00Z`))
  .refine(Number.isFinite, 'expected a date, YYYY-MM-DD')

/** The variables of this part. */
export const HealthVariables = z.object({
  TIDEMARK_HEALTH_INTERVAL_SECS: integer(1, 86_400).optional(),
  TIDEMARK_HEALTH_RECOVER: flag.default(false),
  TIDEMARK_HEALTH_LAG_SECS: integer(1, 31_536_000).optional(),
  TIDEMARK_HEALTH_LOCK_SECS: integer(1, 31_536_000).optional(),
  TIDEMARK_HEALTH_CERTIFICATION_DAYS: integer(1, 36_500).optional(),
  TIDEMARK_HEALTH_WEBHOOK_URL: url.optional(),
  TIDEMARK_HEALTH_WEBHOOK_SECRET: z
    .string()
    .min(SECRET_CHARS_MIN, `expected at least ${SECRET_CHARS_MIN} characters`)
    .optional(),
  TIDEMARK_STORE_CERTIFIED_AT: date.optional(),
})
type HealthVariables = z.infer<typeof HealthVariables>

/** What contradicts itself. */
export function healthProblems(variables: HealthVariables): string[] {
  const { TIDEMARK_HEALTH_WEBHOOK_URL: to, TIDEMARK_HEALTH_WEBHOOK_SECRET: secret } = variables
  if (to !== undefined && secret === undefined) {
    return ['TIDEMARK_HEALTH_WEBHOOK_SECRET: required with TIDEMARK_HEALTH_WEBHOOK_URL']
  }
  if (to === undefined && secret !== undefined) {
    return ['TIDEMARK_HEALTH_WEBHOOK_URL: required with TIDEMARK_HEALTH_WEBHOOK_SECRET']
  }
  return []
}

/** The settings, with the defaults where nothing is said. */
export function healthConfigOf(variables: HealthVariables): HealthConfig {
  const { limits } = DEFAULT_HEALTH_SETTINGS
  const milliseconds = (seconds: number | undefined): number | undefined =>
    seconds === undefined ? undefined : seconds * 1_000
  const days = variables.TIDEMARK_HEALTH_CERTIFICATION_DAYS
  return {
    interval_secs: variables.TIDEMARK_HEALTH_INTERVAL_SECS ?? null,
    recovers: variables.TIDEMARK_HEALTH_RECOVER,
    certified_at_ms: variables.TIDEMARK_STORE_CERTIFIED_AT ?? null,
    webhook: webhookOf(variables),
    limits: {
      lag_ms: milliseconds(variables.TIDEMARK_HEALTH_LAG_SECS) ?? limits.lag_ms,
      lock_held_ms: milliseconds(variables.TIDEMARK_HEALTH_LOCK_SECS) ?? limits.lock_held_ms,
      certification_ms: days === undefined ? limits.certification_ms : days * DAY_MS,
    },
  }
}

function webhookOf(variables: HealthVariables): WebhookSettings | null {
  const { TIDEMARK_HEALTH_WEBHOOK_URL: to, TIDEMARK_HEALTH_WEBHOOK_SECRET: secret } = variables
  return to === undefined || secret === undefined ? null : { url: to, secret }
}
