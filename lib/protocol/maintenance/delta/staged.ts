/** Staged payloads that nobody commits any more (spec/coordinator.md 5 SG-9). Looked at by name and age, never read. */
import { isCanonicalUuid, isUlid } from '../../ids.ts'
import { now } from '../../effects.ts'
import { stagingPrefix } from '../../paths.ts'
import { list, type Maintenance } from '../effects.ts'
import type { LogWork } from './log.ts'

/** The default lifecycle of staged payloads is seven days; one more for it to come round. */
const KEPT_MS = 8 * 24 * 60 * 60 * 1000

const PAGE_OBJECTS = 1000

/** Look through the staging folder after a key; returns the key to go on after, or null at the end. */
export function* checkStaged(work: LogWork, after: string | null): Maintenance<string | null> {
  const { table_id, findings, budget } = work
  const prefix = stagingPrefix(table_id)
  const { now_ms } = yield* now()
  const old = { count: 0, bytes: 0 }
  let start_after = after ?? undefined
  do {
    if (budget.reads <= 0) break
    const page = yield* list({
      prefix,
      limit: PAGE_OBJECTS,
      ...(start_after === undefined || start_after === '' ? {} : { start_after }),
    })
    budget.reads -= 1
    for (const { key, size, last_modified_ms } of page.objects) {
      const name = key.slice(prefix.length).replace(/\.json$/, '')
      if (!key.endsWith('.json') || !(isUlid(name) || isCanonicalUuid(name))) {
        findings.report('TM-502', { path: key, detail: 'expected {ULID}.json or {UUID}.json' })
      } else if (last_modified_ms !== undefined && now_ms - last_modified_ms > KEPT_MS) {
        old.count += 1
        old.bytes += size
      }
    }
    start_after = page.next_start_after
  } while (start_after !== undefined)
  if (old.count > 0) {
    const detail = `expected none older than 8 days, saw ${old.count} of ${old.bytes} bytes`
    findings.report('TM-501', { path: prefix, detail })
  }
  return start_after ?? null
}
