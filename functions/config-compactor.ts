/** The part of the configuration that is about the projection: compactor routes, fold, and lock. */
import * as z from 'zod'
import { DAY_MS } from '../lib/protocol/orchestration/events/instant.ts'
import type { ProjectionSettings } from '../lib/protocol/orchestration/projection/settings.ts'
import { DEFAULT_COMPACTOR_SETTINGS, type CompactorSettings } from './compactor-settings.ts'
import { flag } from './config-auth.ts'

const EMIT = ['emit', '1', 'true', 'yes', 'on']
const UNDERSTAND = ['understand', '0', 'false', 'no', 'off']

const tombstones = z
  .string()
  .trim()
  .toLowerCase()
  .pipe(z.enum([...EMIT, ...UNDERSTAND], { error: 'expected emit or understand' }))
  .transform((text): ProjectionSettings['tombstones'] => (EMIT.includes(text) ? 'emit' : 'understand'))

/** The bytes that a text stands for; every secret has another text than its neighbours, so nothing is guessed. */
const base64 = z
  .string()
  .trim()
  .refine((text) => BASE64.test(text), 'expected base64 with its padding')
  .transform((text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0)))
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** A variable that is an integer. */
export function integer(min: number, max: number): z.ZodType<number> {
  const expected = `expected an integer from ${min} to ${max}`
  return z
    .string()
    .trim()
    .regex(/^\d{1,16}$/, expected)
    .transform(Number)
    .refine((value) => value >= min && value <= max, expected)
}

/** The variables of this part. */
export const CompactorVariables = z.object({
  ARCO_TENANT_SECRET_B64: base64.optional(),
  ARCO_REQUIRE_TENANT_SECRET: flag.optional(),
  ARCO_ORCH_DELTA_TOMBSTONES: tombstones.optional(),
  ARCO_ORCH_TERMINAL_RUN_RETENTION_DAYS: integer(0, 36_500).optional(),
  TIDEMARK_LOCK_SCOPE: z
    .enum(['scoped', 'bucket-root'], { error: 'expected scoped or bucket-root' })
    .default('scoped'),
  TIDEMARK_LOCK_FLOOR: integer(0, Number.MAX_SAFE_INTEGER).optional(),
  TIDEMARK_REQUIRE_FENCED_REQUESTS: flag.default(false),
  TIDEMARK_COMPACTOR_DEADLINE_SECS: integer(1, 86_400).optional(),
  TIDEMARK_REBUILD_CHUNK_EVENTS: integer(1, 100_000).optional(),
  TIDEMARK_REBUILD_CALL_EVENTS: integer(1, 1_000_000).optional(),
  TIDEMARK_RETENTION_REVISIONS: integer(0, 1_000_000).optional(),
  TIDEMARK_RETENTION_DAYS: integer(1, 36_500).optional(),
})
type CompactorVariables = z.infer<typeof CompactorVariables>

/** What contradicts itself. */
export function compactorProblems(variables: CompactorVariables): string[] {
  const { ARCO_TENANT_SECRET_B64: secret, ARCO_REQUIRE_TENANT_SECRET: is_required } = variables
  return is_required === true && secret === undefined
    ? ['ARCO_TENANT_SECRET_B64: required with ARCO_REQUIRE_TENANT_SECRET']
    : []
}

/** The settings, with the defaults where nothing is said. */
export function compactorSettingsOf(variables: CompactorVariables): CompactorSettings {
  const { projection, deadline_ms, reconcile } = DEFAULT_COMPACTOR_SETTINGS
  const days = variables.TIDEMARK_RETENTION_DAYS
  const seconds = variables.TIDEMARK_COMPACTOR_DEADLINE_SECS
  return {
    lock_scope: variables.TIDEMARK_LOCK_SCOPE,
    requires_fencing: variables.TIDEMARK_REQUIRE_FENCED_REQUESTS,
    deadline_ms: seconds === undefined ? deadline_ms : seconds * 1000,
    events_budget: variables.TIDEMARK_REBUILD_CALL_EVENTS ?? null,
    reconcile: {
      ...reconcile,
      retention: {
        revisions: variables.TIDEMARK_RETENTION_REVISIONS ?? reconcile.retention.revisions,
        younger_ms: days === undefined ? reconcile.retention.younger_ms : days * DAY_MS,
      },
    },
    projection: {
      ...projection,
      tenant_secret: variables.ARCO_TENANT_SECRET_B64 ?? projection.tenant_secret,
      tombstones: variables.ARCO_ORCH_DELTA_TOMBSTONES ?? projection.tombstones,
      terminal_run_days: variables.ARCO_ORCH_TERMINAL_RUN_RETENTION_DAYS ?? projection.terminal_run_days,
      chunk_events: variables.TIDEMARK_REBUILD_CHUNK_EVENTS ?? projection.chunk_events,
      lock_floor: variables.TIDEMARK_LOCK_FLOOR ?? projection.lock_floor,
    },
  }
}
