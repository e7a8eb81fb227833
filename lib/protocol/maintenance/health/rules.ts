/**
 * The rules of the health check that are nobody else's: what takes too long, and what could not be looked at. What it finds in a
 * table or in the projection besides has the id that verify and inspect give it.
 *
 *     1xx tables    2xx compaction lock    3xx projection    4xx store    5xx telling
 */
import { findingOf, type Finding, type Occurrence, type Rule, type Severity } from '../finding.ts'

function row(severity: Severity, title: string, spec: string, means: string, next: string): Rule {
  return { severity, title, spec, means, next }
}

/** Every rule of this part by its id. */
export const HEALTH_RULES = {
  'HC-101': row(
    'error',
    'Every coordinator state can be read',
    'storage.md 8',
    'Nobody knows how this table is. The other tables were looked at.',
    'GET /api/v1/delta/tables/{table_id}/inspect; the log has what the store said.',
  ),
  'HC-102': row(
    'info',
    'Only states lie among states',
    'storage.md 3',
    'An object that no request can name.',
    'Look at {path}, and who wrote it.',
  ),
  'HC-103': row(
    'warn',
    'The log of a stuck table can be found',
    'coordinator.md 11',
    'A reservation is past its TTL, and neither it nor the catalog says where its log is.',
    'POST /api/v1/delta/tables/{table_id}/recover {}, once the catalog knows the table again.',
  ),

  'HC-201': row(
    'warn',
    'The compaction lock changes hands',
    'locks-and-fencing.md 4',
    'Somebody has been renewing the lock for a long time: a rebuild that is large, or a holder that does nothing any more. Compactions wait or are answered 409 `lock_held`.',
    'GET /rebuilds/{rebuild} says how far a rebuild is. If its holder is gone: POST /internal/locks/orchestration/force-break {"reason":"…"}',
  ),
  'HC-202': row(
    'warn',
    'Whoever takes the compaction lock gives it back',
    'locks-and-fencing.md 4.3',
    'Its holder crashed or lost the store. Nobody waits for it: the next compaction takes the lock. What it was to fold may not be folded.',
    'Send its compaction or rebuild again; that clears this. Without one: POST /internal/locks/orchestration/force-break {"reason":"its holder is gone"}',
  ),

  'HC-301': row(
    'warn',
    'Events are folded soon',
    'reconcile.md RC-13, correctness.md Q6',
    'Readers do not see these events yet. They are not lost.',
    'POST /compact {"event_paths":[…]} with these paths, or a rebuild from a list of them. GET /internal/verify/projection names them all.',
  ),
  'HC-302': row(
    'error',
    'The projection can be looked at',
    'storage.md 8',
    'Nobody knows how the projection is. The tables were looked at.',
    'GET /internal/inspect/projection; the log has what the store said.',
  ),

  'HC-401': row(
    'error',
    'The store is certified',
    'providers.md 7',
    'Every write is refused with 503 `store_not_certified`, recoveries too.',
    'npm run doctor -- --bucket URL, then TIDEMARK_STORE_CERTIFIED=true',
  ),
  'HC-402': row(
    'warn',
    'The store was certified not long ago',
    'providers.md 7',
    'Nothing is wrong yet. Providers and the proxies in front of them change, and a store that ignores conditions loses commits.',
    'npm run doctor -- --bucket URL, then TIDEMARK_STORE_CERTIFIED_AT={today}',
  ),

  'HC-501': row(
    'warn',
    'The webhook takes what it is sent',
    'docs/health.md',
    'Whoever listens there does not know of the other findings. The next run sends them again, together with its own.',
    'Look at the receiver: it has to answer 2xx within 10 s, without a redirect.',
  ),
} as const satisfies Readonly<Record<string, Rule>>

/** Id of such a rule. */
export type HealthRuleId = keyof typeof HEALTH_RULES

/** The finding of a rule of the health check. */
export function healthFinding(
  rule: HealthRuleId,
  occurrence: Occurrence,
  names: Readonly<Record<string, string>> = {},
): Finding {
  return findingOf(HEALTH_RULES, rule, occurrence, names)
}
