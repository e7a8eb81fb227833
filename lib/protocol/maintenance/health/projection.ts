/**
 * The projection in a few reads and one page of each listing: whether what readers see can be read, events that wait too long, a
 * lock that does not change hands, and what publishers that failed have left since. What is older, below the watermark or
 * in the artifacts is the business of verify and reconcile.
 */
import { StoreError, type ListedObject } from '../../../store/types.ts'
import { now } from '../../effects.ts'
import { ulidTime_ms } from '../../ids.ts'
import type { LockRecord } from '../../lock.ts'
import { eventIdOfPath, LOCK_PATH, manifestPath } from '../../orchestration/paths.ts'
import { timeMs } from '../../orchestration/projection/document-parts.ts'
import { allOf, list, type ListAnswer, type ListOp, type Maintenance } from '../effects.ts'
import type { Finding } from '../finding.ts'
import {
  ENTRY_KINDS,
  ENTRY_PREFIXES,
  entryOf,
  type EntryKind,
  type EntryName,
} from '../projection/entries.ts'
import { inspectProjection, type InspectedProjection } from '../projection/inspect.ts'
import { lineageOf, readTop } from '../projection/lineage.ts'
import { projectionFinding, type ProjectionRuleId } from '../projection/rules.ts'
import { QUARANTINE_MIN_MS, type Retention } from '../projection/settings.ts'
import { healthFinding } from './rules.ts'
import { EVENTS_MAX, ORPHANS_MAX, type HealthLimits } from './settings.ts'

/** Look at the projection; that it cannot be looked at is a finding. */
export function* sweepProjection(limits: HealthLimits): Maintenance<readonly Finding[]> {
  try {
    return yield* lookAtProjection(limits)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    return [unread(error.code)]
  }
}

function unread(what: string): Finding {
  return healthFinding('HC-302', { detail: `expected pointer, manifest, lock and listings; saw ${what}` })
}

function* lookAtProjection(limits: HealthLimits): Maintenance<readonly Finding[]> {
  const inspected = yield* inspectProjection()
  if (!inspected.ok) return [unread(inspected.reason)]
  const { now_ms } = yield* now()
  return [
    // A manifest above the pointer is told below, when it is old enough to be nobody's work.
    ...inspected.findings.filter(({ rule, severity }) => severity !== 'info' && rule !== 'RC-104'),
    ...lockFindings(inspected.lock, limits, now_ms),
    ...(yield* lagFindings(inspected, limits, now_ms)),
    ...(yield* orphanFindings(inspected, now_ms)),
  ]
}

function lockFindings(
  { record, held }: InspectedProjection['lock'],
  { lock_held_ms }: HealthLimits,
  now_ms: number,
): Finding[] {
  if (record === null) return []
  const acquired_ms = timeMs(record.acquiredAt)
  if (held && now_ms - acquired_ms >= lock_held_ms) {
    const detail = `expected it for at most ${seconds(lock_held_ms)}, ${holderText(record)} has held it for ${seconds(now_ms - acquired_ms)}`
    return [healthFinding('HC-201', { path: LOCK_PATH, detail })]
  }
  // Whoever gives it back leaves no operation in it; an operator who breaks it leaves this one.
  const was_left = !held && typeof record.operation === 'string' && record.operation !== 'force-break'
  if (!was_left) return []
  const detail = `expected it to be given back, the lease of ${holderText(record)} ended by itself ${seconds(now_ms - timeMs(record.expiresAt))} ago`
  return [healthFinding('HC-202', { path: LOCK_PATH, detail })]
}

function holderText({ holderId, operation }: LockRecord): string {
  return `${holderId} (${operation ?? 'no operation'})`
}

/** Events above the watermark, by one page of the ledger. */
function* lagFindings(
  { pointer, manifest, findings }: InspectedProjection,
  { lag_ms }: HealthLimits,
  now_ms: number,
): Maintenance<Finding[]> {
  // Without the visible manifest nobody can say what waits.
  if (findings.some(({ severity }) => severity === 'error') || (pointer !== null && manifest === null))
    return []
  const folded = manifest?.watermarks.last_processed_file ?? null
  const page = yield* list({
    prefix: 'ledger/orchestration/',
    limit: EVENTS_MAX,
    ...(folded === null ? {} : { start_after: folded }),
  })
  const waiting = page.objects.filter(({ key }) => eventIdOfPath(key) !== null)
  const since_ms = Math.min(...waiting.map((object) => storedAt(object, now_ms)))
  const [first] = waiting
  if (first === undefined || now_ms - since_ms < lag_ms) return []
  const count = page.next_start_after === undefined ? String(waiting.length) : `${waiting.length} or more`
  const detail = `expected events to be folded within ${seconds(lag_ms)}; ${count} are above the watermark, the oldest stored ${seconds(now_ms - since_ms)} ago`
  return [healthFinding('HC-301', { path: first.key, detail })]
}

/** By the store where it says so, else by the id of the event. */
function storedAt({ key, last_modified_ms }: ListedObject, now_ms: number): number {
  return last_modified_ms ?? ulidTime_ms(eventIdOfPath(key) ?? '') ?? now_ms
}

const ORPHAN_RULES: Readonly<Record<EntryKind, ProjectionRuleId>> = {
  manifest_snapshot: 'RC-104',
  base_dir: 'RC-102',
  l0_dir: 'RC-103',
}

/**
 * What was written since the visible revision and for an hour not published: ids of folders are ULIDs, so those above the
 * revision's are younger than what it was made of. One page of each kind; the rest is for reconcile.
 */
function* orphanFindings({ pointer, manifest }: InspectedProjection, now_ms: number): Maintenance<Finding[]> {
  if (pointer === null || manifest === null) return []
  const begins: Readonly<Record<EntryKind, string>> = {
    manifest_snapshot: manifestPath(pointer.manifest_id),
    // Every longer id is after this, and every object of the revision's own id before.
    base_dir: `${ENTRY_PREFIXES.base_dir}${manifest.revision_ulid}0`,
    l0_dir: `${ENTRY_PREFIXES.l0_dir}${manifest.revision_ulid}0`,
  }
  const ops = ENTRY_KINDS.map((kind): ListOp => ({
    kind: 'list',
    prefix: ENTRY_PREFIXES[kind],
    start_after: begins[kind],
    limit: ORPHANS_MAX,
  }))
  const pages = yield* allOf(ops)
  const old = pages.flatMap((page) => oldEntries(page, now_ms))
  if (old.length === 0) return []
  // Clocks differ, and somebody may have published meanwhile: the latest revisions have the last word.
  const { entries, is_complete } = yield* lineageOf(yield* readTop(), { retention: LATEST, now_ms })
  if (!is_complete) return []
  return old
    .filter(({ path }) => !entries.has(path))
    .map(({ kind, path, written_ms }) => {
      const detail = `expected it to be published or gone; it was written ${seconds(now_ms - written_ms)} ago and is above what readers see`
      return projectionFinding(ORPHAN_RULES[kind], { path, detail })
    })
}

/** Revisions that are looked at before something is called an orphan. */
const LATEST: Retention = { revisions: 20, younger_ms: 0 }

interface OldEntry extends EntryName {
  readonly written_ms: number
}

function oldEntries(page: ListAnswer, now_ms: number): OldEntry[] {
  if (page.outcome === 'failed') throw page.error
  const entries = new Map<string, OldEntry>()
  for (const { key, last_modified_ms = Number.POSITIVE_INFINITY } of page.objects) {
    const entry = entryOf(key)
    if (entry === null) continue
    const written_ms = Math.max(entries.get(entry.path)?.written_ms ?? 0, last_modified_ms)
    entries.set(entry.path, { ...entry, written_ms })
  }
  return [...entries.values()].filter(({ written_ms }) => now_ms - written_ms >= QUARANTINE_MIN_MS)
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.floor(ms / 1_000))} s`
}
