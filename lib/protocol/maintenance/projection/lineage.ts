/**
 * What is reachable from the pointer (spec/reconcile.md 4, RC-3, RC-4, RC-6): the chain of manifests as far as it is kept,
 * and the folders that they name. Never throws for a broken object: it says what is broken, and that the rest is unknown.
 */
import type { StoredObject } from '../../../store/types.ts'
import type { Finding } from '../finding.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { all, type Protocol, type ReadAnswer } from '../../effects.ts'
import {
  baseFolder,
  deltaFolder,
  manifestPath,
  POINTER_PATH,
  RETIRED_MANIFEST_PATH,
} from '../../orchestration/paths.ts'
import { pathOf } from '../../orchestration/projection/artifact.ts'
import { timeMs } from '../../orchestration/projection/document-parts.ts'
import {
  documentOp,
  readDocument,
  toDocument,
  type SeenDocument,
} from '../../orchestration/projection/documents.ts'
import { layersOf } from '../../orchestration/projection/load.ts'
import { MANIFEST, type Manifest } from '../../orchestration/projection/manifest.ts'
import { idNumber, idText } from '../../orchestration/projection/manifest-id.ts'
import { POINTER, type Pointer } from '../../orchestration/projection/pointer.ts'
import { entryOf } from './entries.ts'
import { projectionFinding } from './rules.ts'
import type { Retention } from './settings.ts'

/** What readers begin with: the pointer, or what there is in its place. */
export type Top =
  | { readonly kind: 'pointer'; readonly pointer: Pointer; readonly stored: StoredObject }
  /** No pointer; an early version's only manifest. */
  | { readonly kind: 'retired'; readonly manifest: Manifest }
  | { readonly kind: 'empty' }
  | { readonly kind: 'broken'; readonly finding: Finding }

/** Read the pointer, whatever state it is in. */
export function* readTop(): Protocol<Top> {
  const pointer = yield* readable(POINTER_PATH, readDocument(POINTER, POINTER_PATH), 'PJ-101')
  if ('finding' in pointer) return { kind: 'broken', finding: pointer.finding }
  if (pointer.seen !== null) {
    return { kind: 'pointer', pointer: pointer.seen.value, stored: pointer.seen.stored }
  }
  const retired = yield* readable(
    RETIRED_MANIFEST_PATH,
    readDocument(MANIFEST, RETIRED_MANIFEST_PATH),
    'PJ-104',
  )
  if ('finding' in retired) return { kind: 'broken', finding: retired.finding }
  return retired.seen === null ? { kind: 'empty' } : { kind: 'retired', manifest: retired.seen.value }
}

/** What is reachable. */
export interface Lineage {
  /** The manifest that the pointer names; null without a pointer that can be read. */
  readonly current_manifest_path: string | null
  /** Entries, as `entryOf` gives them, that must not be touched. */
  readonly entries: ReadonlySet<string>
  /** Every manifest that is kept was read: what is not in `entries` is reached by nobody. */
  readonly is_complete: boolean
  readonly findings: readonly Finding[]
  /** Manifests that were read. */
  readonly revisions: number
}

/** How a walk along the chain is bounded and kept alive. */
export interface Walk {
  readonly retention: Retention
  readonly now_ms: number
  /** Between two reads: a lease is renewed here. */
  readonly between?: () => Protocol<void>
}

/** Everything that is reachable from a top, as far as it is kept. */
export function* lineageOf(top: Top, walk: Walk): Protocol<Lineage> {
  const entries = new Set<string>()
  switch (top.kind) {
    case 'broken':
      return { ...NOTHING, entries, is_complete: false, findings: [top.finding] }
    case 'empty':
      return { ...NOTHING, entries, is_complete: true }
    case 'retired': {
      protect(entries, RETIRED_MANIFEST_PATH, top.manifest)
      const rest = yield* walkChain(entries, top.manifest.previous_manifest_path, walk, top.manifest)
      return { ...NOTHING, ...rest, entries }
    }
    case 'pointer': {
      const { manifest_id, manifest_path } = top.pointer
      const rest = yield* walkChain(entries, manifest_path, walk, null)
      const lineage = { ...rest, entries, current_manifest_path: manifest_path }
      if (idNumber(manifest_id) !== null) return lineage
      // Nobody can publish on top of it, and a touch would have to lie about its id.
      const detail = `expected an id of 20 digits, got ${JSON.stringify(manifest_id.slice(0, 40))}`
      const finding = projectionFinding('PJ-105', { path: POINTER_PATH, detail })
      return { ...lineage, is_complete: false, findings: [finding, ...rest.findings] }
    }
  }
}

const NOTHING = { current_manifest_path: null, revisions: 0, findings: [] } as const

/**
 * Follow `previous_manifest_path`. A revision was visible until the next one was published: that is the age that counts,
 * so that what was visible for a year is kept for a while after it is replaced.
 */
function* walkChain(
  entries: Set<string>,
  from: string | null,
  { retention, now_ms, between }: Walk,
  above: Manifest | null,
): Protocol<Pick<Lineage, 'is_complete' | 'findings' | 'revisions'>> {
  const seen = new Set<string>()
  const findings: Finding[] = []
  const ahead = new Map<string, ReadAnswer>()
  let child = above
  let replaced_ms = above === null ? Number.POSITIVE_INFINITY : timeMs(above.published_at)
  let bytes = Number.POSITIVE_INFINITY
  let path = from
  while (path !== null) {
    const is_kept = seen.size <= retention.revisions || replaced_ms >= now_ms - retention.younger_ms
    if (!is_kept) break
    if (seen.has(path)) {
      const detail = 'expected a manifest that was not visited before: the chain is a circle'
      findings.push(projectionFinding('PJ-203', { path, detail }))
      return { is_complete: false, findings, revisions: seen.size }
    }
    if (between !== undefined) yield* between()
    if (child !== null) yield* readAhead(ahead, path, bytes)
    const read = yield* readManifest(path, child === null, ahead.get(path))
    ahead.delete(path)
    if ('finding' in read) {
      // The manifest itself is named by one that is kept: nobody may take its key away.
      entries.add(path)
      findings.push(read.finding)
      return { is_complete: false, findings, revisions: seen.size }
    }
    seen.add(path)
    const { value, stored } = read.seen
    bytes = stored.bytes.length
    protect(entries, path, value)
    findings.push(...successionFindings(path, value, child))
    replaced_ms = Math.max(timeMs(value.published_at), stored.last_modified_ms ?? 0)
    child = value
    path = value.previous_manifest_path
  }
  return { is_complete: true, findings, revisions: seen.size }
}

/** Manifests that are read together, and the size up to which there are so many in memory at once. */
const AHEAD = 16
const AHEAD_BYTES_MAX = 256 * 1024

/**
 * Ids decrease by one almost everywhere: the next few are read together with the one that is asked for. What was guessed
 * wrongly is never looked at. `bytes` is the size of the one before.
 */
function* readAhead(ahead: Map<string, ReadAnswer>, path: string, bytes: number): Protocol<void> {
  if (ahead.has(path) || bytes > AHEAD_BYTES_MAX) return
  const id = idNumber(/([0-9]{20})\.json$/.exec(path)?.[1] ?? '')
  if (id === null || path !== manifestPath(idText(id))) return
  const paths = Array.from({ length: Math.min(AHEAD, id + 1) }, (_, back) => manifestPath(idText(id - back)))
  const answers = yield* all(paths.map((each) => documentOp(MANIFEST, each)))
  ahead.clear()
  for (const [at, each] of paths.entries()) {
    const answer = answers[at]
    // What was not there, or could not be read, is asked for again when it is wanted.
    if (answer?.outcome === 'ok') ahead.set(each, answer)
  }
}

/** One manifest that another object names, or what is wrong with it; `answer` where it was read already. */
export function* readManifest(
  path: string,
  is_head: boolean,
  answer?: ReadAnswer,
): Protocol<{ readonly seen: SeenDocument<Manifest> } | { readonly finding: Finding }> {
  const reading = answer === undefined ? readDocument(MANIFEST, path) : toDocument(MANIFEST, path, answer)
  const read = yield* readable(path, reading, is_head ? 'PJ-104' : 'PJ-202')
  if ('finding' in read) return read
  if (read.seen !== null) return { seen: read.seen }
  const detail = is_head
    ? 'the pointer names it, and it does not exist'
    : 'its successor names it, and it does not exist'
  return { finding: projectionFinding(is_head ? 'PJ-103' : 'PJ-201', { path, detail }) }
}

/** What is wrong between a manifest and the one that replaced it (manifests.md 12, 18). */
export function successionFindings(path: string, manifest: Manifest, child: Manifest | null): Finding[] {
  const findings: Finding[] = []
  const { manifest_id, epoch } = manifest
  if (path !== RETIRED_MANIFEST_PATH && path !== manifestPath(manifest_id)) {
    const detail = `expected ${manifestPath(manifest_id)} for its id ${manifest_id}`
    findings.push(projectionFinding('PJ-204', { path, detail }))
  }
  if (child === null) return findings
  const [id, child_id] = [idNumber(manifest_id), idNumber(child.manifest_id)]
  if (id === null || child_id === null || id >= child_id) {
    const detail = `expected an id below ${child.manifest_id}, got ${manifest_id}`
    findings.push(projectionFinding('PJ-203', { path, detail }))
  }
  if (epoch > child.epoch) {
    const detail = `expected an epoch of at most ${child.epoch}, got ${epoch}`
    findings.push(projectionFinding('PJ-203', { path, detail }))
  }
  return findings
}

/**
 * By the ids, as the reference does, and by the folder of every artifact that is named: a table of a base may lie in the
 * folder of an earlier one (projections.md PJ-9).
 */
function protect(entries: Set<string>, path: string, manifest: Manifest): void {
  entries.add(path)
  const { base_snapshot, l0_deltas } = manifest
  if (base_snapshot.snapshot_id !== null) entries.add(baseFolder(base_snapshot.snapshot_id))
  for (const { delta_id } of l0_deltas) entries.add(deltaFolder(delta_id))
  for (const { tables, deletions } of layersOf(manifest)) {
    for (const { ref } of tables) protectFolder(entries, pathOf(ref))
    if (deletions !== null) protectFolder(entries, pathOf(deletions))
  }
}

function protectFolder(entries: Set<string>, path: string): void {
  const entry = entryOf(path)
  if (entry !== null) entries.add(entry.path)
}

/** A document that may be there, or the finding that says why it cannot be read. */
function* readable<T>(
  path: string,
  reading: Protocol<SeenDocument<T> | null>,
  rule: 'PJ-101' | 'PJ-104' | 'PJ-202',
): Protocol<{ readonly seen: SeenDocument<T> | null } | { readonly finding: Finding }> {
  try {
    return { seen: yield* reading }
  } catch (error) {
    if (!(error instanceof StoredObjectError)) throw error
    return { finding: projectionFinding(rule, { path, detail: error.message }) }
  }
}
