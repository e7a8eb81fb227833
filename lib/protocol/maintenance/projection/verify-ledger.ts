/**
 * The fourth stage of verify: events that readers do not see (spec/reconcile.md RC-13, spec/correctness.md Q6). The index of
 * what is folded are the idempotency keys of the projection. An event below the watermark that has none was left out, or was
 * folded to nothing; it is told by folding it, in memory, onto what is visible. One that would change rows was left out, unless
 * a revision names it as offered: then it came too early, and was refused.
 */
import type { Protocol } from '../../effects.ts'
import { ulidTime_ms } from '../../ids.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { compareBytes } from '../../orchestration/byte-order.ts'
import { DAY_MS } from '../../orchestration/events/instant.ts'
import { fold } from '../../orchestration/fold/fold.ts'
import { allRows } from '../../orchestration/fold/layers.ts'
import type { FoldState } from '../../orchestration/fold/state.ts'
import { eventIdOfPath } from '../../orchestration/paths.ts'
import { readEvents } from '../../orchestration/projection/load-events.ts'
import { CHAIN_STEPS_MAX } from '../../orchestration/projection/limits.ts'
import { loadProjection } from '../../orchestration/projection/load.ts'
import type { Manifest } from '../../orchestration/projection/manifest.ts'
import { atStoredPrecision } from '../../orchestration/projection/stored-precision.ts'
import { floorOf, isBelowFloor } from '../../orchestration/projection/watermarks.ts'
import { list, type Maintenance } from '../effects.ts'
import type { Finding } from '../finding.ts'
import { readManifest } from './lineage.ts'
import { projectionFinding } from './rules.ts'
import type { ReconcileSettings } from './settings.ts'
import type { Stage } from './verify.ts'
import type { PositionOf } from './verify-cursor.ts'

const LEDGER_PREFIX = 'ledger/orchestration/'
const PAGE_OBJECTS = 1_000

/** Days for which idempotency keys are kept (manifests.md 11). */
const WINDOW_MS = 30 * DAY_MS

/** Paths that the suggestion of one finding names. */
const PATHS_SHOWN = 20

/** Compare at most `limit` ledger objects after `after` with what is folded. */
export function* verifyLedger(
  settings: ReconcileSettings,
  { manifest_path, after }: PositionOf<'ledger'>,
  limit: number,
): Maintenance<Stage> {
  const { paths, objects, next_after } = yield* ledgerPage(after, limit)
  const next: Stage['next'] =
    next_after === null ? { stage: 'orphans' } : { stage: 'ledger', manifest_path, after: next_after }
  const visible = yield* loadVisible(settings, manifest_path)
  // Without the rows nothing says what is folded; why they cannot be read was told by the stages before.
  if ('finding' in visible) return { findings: [visible.finding], objects, next: { stage: 'orphans' } }
  const findings: Finding[] = []
  const unfolded: string[] = []
  for (const path of paths) {
    const id = eventIdOfPath(path)
    if (id === null) findings.push(projectionFinding('PJ-405', { path, detail: 'not the path of an event' }))
    else if (!visible.folded.has(id)) unfolded.push(path)
  }
  findings.push(...(yield* unfoldedFindings(settings, visible, unfolded)))
  return { findings, objects, next }
}

function* ledgerPage(
  after: string,
  limit: number,
): Maintenance<{ readonly paths: string[]; readonly objects: number; readonly next_after: string | null }> {
  const paths: string[] = []
  let start_after = after === '' ? undefined : after
  while (paths.length < limit) {
    const page = yield* list({
      prefix: LEDGER_PREFIX,
      limit: Math.min(PAGE_OBJECTS, limit - paths.length),
      ...(start_after === undefined ? {} : { start_after }),
    })
    for (const { key } of page.objects) paths.push(key)
    start_after = page.next_start_after
    if (start_after === undefined) return { paths, objects: Math.max(1, paths.length), next_after: null }
  }
  return { paths, objects: paths.length, next_after: start_after ?? null }
}

interface Visible {
  readonly manifest: Manifest
  readonly state: FoldState
  /** Ids of events that are folded, or were left out on an operator's word. */
  readonly folded: ReadonlySet<string>
}

function* loadVisible(
  { projection }: ReconcileSettings,
  manifest_path: string,
): Maintenance<Visible | { readonly finding: Finding }> {
  const read = yield* readManifest(manifest_path, true)
  if ('finding' in read) return read
  const manifest = read.seen.value
  try {
    const state = yield* loadProjection(manifest, 'understand', projection)
    const folded = new Set(allRows(state, 'idempotency_keys').map(({ event_id }) => event_id))
    for (const { path } of manifest.quarantine?.events ?? []) folded.add(eventIdOfPath(path) ?? '')
    for (const { path } of manifest.publication_witness?.events ?? []) folded.add(eventIdOfPath(path) ?? '')
    return { manifest, state, folded }
  } catch (error) {
    if (!(error instanceof StoredObjectError)) throw error
    const detail = 'the ledger was not compared: the visible projection cannot be loaded'
    return { finding: projectionFinding('PJ-901', { path: manifest_path, detail }) }
  }
}

function* unfoldedFindings(
  { projection }: ReconcileSettings,
  { manifest, state }: Visible,
  paths: readonly string[],
): Maintenance<Finding[]> {
  const { watermarks } = manifest
  const floor = floorOf(watermarks)
  const newest_ms = ulidTime_ms(watermarks.last_committed_event_id ?? '')
  const findings: Finding[] = []
  const waiting: string[] = []
  const untold: string[] = []
  const left_out: string[] = []
  const sorted = paths.toSorted((a, b) => compareBytes(eventIdOfPath(a) ?? '', eventIdOfPath(b) ?? ''))
  for (let from = 0; from < sorted.length; from += projection.reads_max) {
    for (const each of yield* readEvents(sorted.slice(from, from + projection.reads_max), projection.scope)) {
      if (!each.ok) {
        // One that was deleted since it was listed is no event of ours to miss.
        if (each.refused.reason === 'event_not_found') continue
        const { path, detail, reason } = each.refused
        findings.push(projectionFinding('PJ-406', { path, detail: `${reason}: ${detail}` }))
        continue
      }
      const { path, event } = each.loaded
      if (!isBelowFloor(event.event_id, floor)) waiting.push(path)
      else if (isOlderThanKeys(event.event_id, newest_ms)) untold.push(path)
      else if (fold(state, atStoredPrecision(event)) === 'applied') left_out.push(path)
    }
  }
  const offered = left_out.length === 0 ? NOBODY : yield* offeredBefore(manifest, new Set(left_out))
  for (const path of left_out) {
    const was_offered = offered.has(path)
    const what = was_offered ? 'it was folded to nothing' : 'no witness that is kept names it'
    const detail = `${what}, it would change rows, and it lies below the watermark ${floor ?? ''}`
    findings.push(projectionFinding(was_offered ? 'PJ-408' : 'PJ-404', { path, detail }))
  }
  const [first_waiting] = waiting
  if (first_waiting !== undefined) {
    const detail = `${waiting.length} events above the watermark ${floor ?? '(none)'} are not folded yet`
    findings.push(projectionFinding('PJ-403', { path: first_waiting, detail, next: compactText(waiting) }))
  }
  const [first_untold] = untold
  if (first_untold !== undefined) {
    const detail = `${untold.length} events older than 30 days before the newest have no idempotency key`
    findings.push(projectionFinding('PJ-407', { path: first_untold, detail }))
  }
  return findings
}

const NOBODY: ReadonlySet<string> = new Set()

/** Those of some events that a revision names as offered to it, looking back along the chain (manifests.md 5.6). */
function* offeredBefore(manifest: Manifest, sought: ReadonlySet<string>): Protocol<ReadonlySet<string>> {
  const offered = new Set<string>()
  let seen = manifest
  for (let steps = 0; steps < CHAIN_STEPS_MAX; steps++) {
    for (const { path } of seen.publication_witness?.events ?? []) if (sought.has(path)) offered.add(path)
    const path = seen.previous_manifest_path
    if (path === null || offered.size === sought.size) break
    const read = yield* readManifest(path, false)
    // The stage of the chain has told what is wrong with it.
    if ('finding' in read) break
    seen = read.seen.value
  }
  return offered
}

function isOlderThanKeys(event_id: string, newest_ms: number | null): boolean {
  const at_ms = ulidTime_ms(event_id)
  return at_ms !== null && newest_ms !== null && at_ms < newest_ms - WINDOW_MS
}

function compactText(paths: readonly string[]): string {
  if (paths.length <= PATHS_SHOWN) return `POST /compact ${JSON.stringify({ event_paths: paths })}`
  return 'Store their list under state/orchestration/rebuilds/{name}.json, then POST /rebuild {"rebuild_manifest_path":"state/orchestration/rebuilds/{name}.json"}'
}
