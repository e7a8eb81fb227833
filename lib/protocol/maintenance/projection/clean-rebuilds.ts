/**
 * Delete lists of rebuilds and the private chunks of rebuilds from scratch that are old (spec/reconcile.md RC-14). Opt-in.
 * Under the compaction lock, which a rebuild holds while it runs: what a running one needs is never taken away.
 */
import { all, now } from '../../effects.ts'
import { lockOp } from '../../lock.ts'
import { LOCK_PATH } from '../../orchestration/paths.ts'
import { failureOf } from '../../orchestration/projection/answer.ts'
import { endAuthority, keepAlive, ownLease } from '../../orchestration/projection/authority.ts'
import { epochOf, POINTER_OP } from '../../orchestration/projection/head.ts'
import type { Failure } from '../../orchestration/projection/outcomes.ts'
import type { ProjectionSettings } from '../../orchestration/projection/settings.ts'
import {
  addCleaned,
  deleteListed,
  isWrittenBefore,
  NOTHING_CLEANED,
  pageOf,
  type Cleaned,
} from '../cleanup.ts'
import type { Maintenance } from '../effects.ts'

const REBUILDS_PREFIX = 'state/orchestration/rebuilds/'
const DAY_MS = 86_400_000

/** Delete what was written at least `age_ms` ago, and never less than a day. */
export function* cleanRebuilds(
  settings: ProjectionSettings,
  { age_ms }: { readonly age_ms: number },
): Maintenance<({ readonly ok: true } & Cleaned) | Failure> {
  try {
    const [lock, answer] = yield* all([lockOp(LOCK_PATH), POINTER_OP])
    const { authority } = yield* ownLease(settings, 'reconcile', yield* epochOf(answer), lock)
    try {
      let cleaned = NOTHING_CLEANED
      let start_after: string | undefined
      do {
        yield* keepAlive(authority)
        const page = yield* pageOf(REBUILDS_PREFIX, start_after)
        const { now_ms } = yield* now()
        const server_ms = answer.outcome === 'ok' ? (answer.server_date_ms ?? now_ms) : now_ms
        const before_ms = Math.min(now_ms, server_ms) - Math.max(age_ms, DAY_MS)
        const old = page.objects.filter((object) => isWrittenBefore(object, before_ms))
        cleaned = addCleaned(cleaned, { ...NOTHING_CLEANED, looked_at: page.objects.length })
        cleaned = addCleaned(cleaned, yield* deleteListed(old))
        start_after = page.next
      } while (start_after !== undefined)
      return { ok: true, ...cleaned }
    } finally {
      yield* endAuthority(authority)
    }
  } catch (error) {
    return failureOf(error)
  }
}
