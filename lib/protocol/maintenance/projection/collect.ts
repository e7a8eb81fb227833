/** The destructive half of a repair (spec/reconcile.md 5 and 9, spec/correctness.md Q8). It holds the lock already. */
import type { ListedObject } from '../../../store/types.ts'
import { sameVersion } from '../../../store/tokens.ts'
import type { Protocol } from '../../effects.ts'
import { POINTER_PATH } from '../../orchestration/paths.ts'
import { checkAuthority, keepAlive, type Authority } from '../../orchestration/projection/authority.ts'
import { RETRY_AFTER_MS } from '../../orchestration/projection/limits.ts'
import { idNumber } from '../../orchestration/projection/manifest-id.ts'
import { Refused } from '../../orchestration/projection/outcomes.ts'
import { touch } from '../../orchestration/projection/publish.ts'
import { allOf, type DeleteAnswer, type HeadAnswer, type Maintenance } from '../effects.ts'
import type { Finding } from '../finding.ts'
import { ENTRY_KINDS, ENTRY_PREFIXES, type EntryKind } from './entries.ts'
import { lineageOf, readTop, type Lineage, type Top } from './lineage.ts'
import type { Check } from './check.ts'
import { projectionFinding } from './rules.ts'
import { QUARANTINE_MIN_MS, type ReconcileSettings } from './settings.ts'
import type { Orphan } from './survey.ts'

/** What a repair did (reconcile.md 2). Entries are manifests and folders; `deleted_*` count objects. */
export interface RepairResult {
  /** Always 0: what it once counted does not exist any more. */
  readonly repaired_paths: 0
  /** Entries that the store did not delete, or not wholly. */
  readonly failed_repairs: number
  readonly deleted_objects: number
  /** Entries that are reachable now, have changed since they were listed, or may not be deleted at all. */
  readonly skipped_paths: number
  /** Entries that are too young. */
  readonly deferred_paths: number
  readonly deleted_bytes: number
}

/** What became of a repair. */
export interface Repair {
  readonly result: RepairResult
  /** The same by kind of entry, as metrics have it (reconcile.md 8). */
  readonly by_kind: RepairCounts
  readonly findings: readonly Finding[]
  /** Entries that are gone. */
  readonly deleted: ReadonlySet<string>
}

/** What is counted of each kind. */
export type RepairCounts = Readonly<Record<EntryKind, Readonly<KindCounts>>>

interface KindCounts {
  failed_repairs: number
  deleted_objects: number
  skipped_paths: number
  deferred_paths: number
  deleted_bytes: number
}

/** Touches that may lose against a publisher before the repair gives up. */
const TOUCHES_MAX = 4

/** Objects of an entry that are looked at, or deleted, together. */
const TOGETHER = 64

/** Delete what the check found, what the pointer does not reach now, and what is old enough. */
export function* collect(
  settings: ReconcileSettings,
  check: Check,
  authority: Authority,
): Maintenance<Repair> {
  const tally = new Tally()
  if (check.survey.orphans.length === 0) return tally.repair()
  // Why is among the findings of the check.
  if (refusalOf(check.top, check.lineage) !== null) return skipEverything(check.survey.orphans)
  const written_before_ms = check.now_ms - Math.max(settings.quarantine_ms, QUARANTINE_MIN_MS)
  const doomed = check.survey.orphans.filter((orphan) => {
    const is_old = isOld(orphan, written_before_ms)
    if (!is_old) tally.defer(orphan)
    return is_old
  })
  // Nobody is disturbed for nothing: a touch makes publishers begin again.
  if (doomed.length === 0) return tally.repair()
  const top = yield* touchPointer(authority)
  const lineage = yield* lineageOf(top, {
    retention: settings.retention,
    now_ms: check.now_ms,
    between: () => keepAlive(authority),
  })
  const late_refusal = refusalOf(top, lineage)
  if (late_refusal !== null) return tally.skipAll(doomed, late_refusal)
  for (const orphan of doomed) {
    if (lineage.entries.has(orphan.path)) tally.skip(orphan)
    else yield* deleteOrphan({ orphan, lineage, written_before_ms }, authority, tally)
  }
  return tally.repair()
}

/** Why nothing may be deleted (RC-5, hard rule 5), or null. */
function refusalOf(top: Top, lineage: Lineage): Finding | null {
  if (top.kind === 'empty' || top.kind === 'retired') {
    return projectionFinding('RC-202', { path: POINTER_PATH, detail: 'expected a pointer, there is none' })
  }
  if (lineage.is_complete) return null
  return projectionFinding('RC-201', { detail: 'expected every manifest that is kept, not all can be read' })
}

/** The oldest rule of all: the age of the objects themselves, never that of a report (RC-1, RC-7). */
function isOld({ objects }: Orphan, written_before_ms: number): boolean {
  return objects.every(
    ({ last_modified_ms }) => last_modified_ms !== undefined && last_modified_ms <= written_before_ms,
  )
}

/** Replace the pointer by itself, so that whoever read it before loses its CAS (Q8). */
function* touchPointer(authority: Authority): Protocol<Top> {
  for (let touches = 1; touches <= TOUCHES_MAX; touches++) {
    yield* keepAlive(authority)
    const top = yield* readTop()
    if (top.kind !== 'pointer') return top
    const { stored, pointer } = top
    const touched = yield* touch({ stored, pointer, manifest: null, damage: null })
    if (touched !== null) return top
  }
  const detail = 'the pointer was moved by others every time'
  throw new Refused({ ok: false, reason: 'contention', detail, retry_after_ms: RETRY_AFTER_MS })
}

/** What is needed to delete one entry. */
interface Doomed {
  readonly orphan: Orphan
  readonly lineage: Lineage
  readonly written_before_ms: number
}

/** Every object as it was listed, or none of them. */
function* deleteOrphan(
  { orphan, lineage, written_before_ms }: Doomed,
  authority: Authority,
  tally: Tally,
): Maintenance<void> {
  yield* keepAlive(authority)
  if (isAbovePointer(orphan, lineage)) yield* checkAuthority(authority)
  const present: ListedObject[] = []
  for (const some of slices(orphan.objects)) {
    const heads = yield* allOf(some.map(({ key }) => ({ kind: 'head' as const, path: key })))
    for (const [index, object] of some.entries()) {
      const seen = heads[index] ?? NO_ANSWER
      if (seen.outcome === 'failed') return tally.fail(orphan, object.key, 'the store did not say what it is')
      if (seen.outcome === 'ok') {
        if (!isSame(object, seen, written_before_ms)) return tally.change(orphan, object.key)
        present.push(object)
      }
    }
  }
  for (const some of slices(present)) {
    yield* keepAlive(authority)
    const answers = yield* allOf(
      some.map(({ key, token }) => ({ kind: 'delete' as const, path: key, token })),
    )
    for (const [index, object] of some.entries()) {
      const answer = answers[index] ?? NO_ANSWER
      if (answer.outcome !== 'ok') return tally.notDeleted(orphan, object.key, answer)
      tally.count(orphan, object)
    }
  }
  tally.done(orphan)
}

const NO_ANSWER = { outcome: 'not_found' } as const

function slices<T>(objects: readonly T[]): T[][] {
  const count = Math.ceil(objects.length / TOGETHER)
  return Array.from({ length: count }, (_, at) => objects.slice(at * TOGETHER, (at + 1) * TOGETHER))
}

/**
 * The generation that was listed. Where tokens come from contents, the same bytes written again have the same one: then the
 * time tells. Stores round it differently in listings and in answers, so that the two times are not compared.
 */
function isSame(
  listed: ListedObject,
  { token, last_modified_ms = 0 }: Extract<HeadAnswer, { outcome: 'ok' }>,
  written_before_ms: number,
): boolean {
  return sameVersion(listed.token, token) && last_modified_ms <= written_before_ms
}

/** Its publisher may be between its two writes: such a key is only taken away while the lock is ours for certain (RC-7). */
function isAbovePointer({ kind, path }: Orphan, { current_manifest_path }: Lineage): boolean {
  if (kind !== 'manifest_snapshot') return false
  const [id, head] = [idOf(path), idOf(current_manifest_path ?? '')]
  return id === null || head === null || id > head
}

function idOf(path: string): number | null {
  const prefix = ENTRY_PREFIXES.manifest_snapshot
  return path.startsWith(prefix) && path.endsWith('.json')
    ? idNumber(path.slice(prefix.length, -'.json'.length))
    : null
}

/** Counts what becomes of entries. */
class Tally {
  private readonly counts = countsByKind()
  private readonly findings: Finding[] = []
  private readonly deleted = new Set<string>()

  /** It is reachable now. */
  skip({ kind }: Orphan): void {
    this.counts[kind].skipped_paths += 1
  }

  skipAll(orphans: readonly Orphan[], why: Finding): Repair {
    for (const orphan of orphans) this.skip(orphan)
    this.findings.push(why)
    return this.repair()
  }

  defer({ kind, path, objects }: Orphan): void {
    this.counts[kind].deferred_paths += 1
    const timeless = objects.find(({ last_modified_ms }) => last_modified_ms === undefined)
    if (timeless === undefined) return
    this.findings.push(
      projectionFinding('RC-205', { path, detail: `${timeless.key} has no time of writing` }),
    )
  }

  /** Somebody wrote it since it was listed. */
  change(orphan: Orphan, key: string): void {
    this.skip(orphan)
    const detail = `${key} was written again since it was listed`
    this.findings.push(projectionFinding('RC-206', { path: orphan.path, detail }))
  }

  fail({ kind, path }: Orphan, key: string, why: string): void {
    this.counts[kind].failed_repairs += 1
    this.findings.push(projectionFinding('RC-203', { path, detail: `${key}: ${why}` }))
  }

  notDeleted(orphan: Orphan, key: string, answer: DeleteAnswer | typeof NO_ANSWER): void {
    if (answer.outcome === 'precondition_failed') this.change(orphan, key)
    else this.fail(orphan, key, answer.outcome === 'failed' ? answer.error.code : 'the store did not answer')
  }

  count({ kind }: Orphan, { size }: ListedObject): void {
    this.counts[kind].deleted_objects += 1
    this.counts[kind].deleted_bytes += size
  }

  done({ path }: Orphan): void {
    this.deleted.add(path)
  }

  repair(): Repair {
    const { counts, findings, deleted } = this
    return { result: sumOf(counts), by_kind: counts, findings, deleted }
  }
}

function countsByKind(): Record<EntryKind, KindCounts> {
  return { manifest_snapshot: { ...NOTHING }, base_dir: { ...NOTHING }, l0_dir: { ...NOTHING } }
}

const NOTHING: Readonly<KindCounts> = {
  failed_repairs: 0,
  deleted_objects: 0,
  skipped_paths: 0,
  deferred_paths: 0,
  deleted_bytes: 0,
}

function sumOf(counts: RepairCounts): RepairResult {
  const sum = (name: keyof KindCounts): number =>
    ENTRY_KINDS.reduce((total, kind) => total + counts[kind][name], 0)
  return {
    repaired_paths: 0,
    failed_repairs: sum('failed_repairs'),
    deleted_objects: sum('deleted_objects'),
    skipped_paths: sum('skipped_paths'),
    deferred_paths: sum('deferred_paths'),
    deleted_bytes: sum('deleted_bytes'),
  }
}

/** A repair whose scope forbids everything (reconcile.md 5, row 1). */
export function skipEverything(orphans: readonly Orphan[]): Repair {
  const tally = new Tally()
  for (const orphan of orphans) tally.skip(orphan)
  return tally.repair()
}
