/**
 * From a table id to the root of its log (spec/coordinator.md 11): `legacy` needs no read, `static` is a map, `catalog`
 * reads Arco's catalog (pointer, manifest, `tables.parquet`), `auto` is catalog where a pointer exists and
 * legacy elsewhere.
 */
import { sameVersion } from '../../store/tokens.ts'
import type { StoredObject, Token } from '../../store/types.ts'
import { now, type Protocol } from '../effects.ts'
import { legacyRoot } from '../paths.ts'
import { StoredObjectError } from '../stored-error.ts'
import { StoreError } from '../../store/types.ts'
import { readCatalogPointer, readCatalogTable, type CatalogTable } from './catalog.ts'
import type { ResolutionFailure } from './outcomes.ts'
import { normaliseRoot, type RootContext } from './table-root.ts'

/** Where a table's log lives. */
export interface ResolvedRoot {
  readonly ok: true
  readonly root: string
  readonly source: 'catalog' | 'static' | 'legacy'
}

/** Where a table's log lives, or why that cannot be told. */
export type Resolution = ResolvedRoot | ResolutionFailure

/** Which catalog a deployment has. `static` maps table ids to locations (null: no location). */
export type ResolverConfig =
  | { readonly mode: 'legacy' | 'catalog' | 'auto' }
  | { readonly mode: 'static'; readonly tables: ReadonlyMap<string, string | null> }

/** A resolver of one scope, with its cache. Only positive answers are kept, for at most a minute (R7). */
export interface TableResolver {
  resolve(table_id: string): Protocol<Resolution>
  /** The root when it is known without a read, else null. `monotonic_ms` ages the cache. */
  knownRoot(table_id: string, monotonic_ms: number): ResolvedRoot | null
}

/** How long a catalog answer may be used without looking at the pointer (spec/coordinator.md 11.2). */
const CACHE_MS = 60_000

/** How many roots are kept; then all are forgotten. */
const ROOTS_MAX = 10_000

/** Cached answers of one catalog pointer generation. */
interface CatalogCache {
  readonly pointer_token: Token | null
  checked_at_ms: number
  readonly roots: Map<string, ResolvedRoot>
}

/** Make the resolver of one scope. */
export function tableResolver(config: ResolverConfig, context: RootContext): TableResolver {
  switch (config.mode) {
    case 'legacy':
      return fixedResolver((table_id) => ({ ok: true, root: legacyRoot(table_id), source: 'legacy' }))
    case 'static':
      return fixedResolver((table_id) => resolveStatic(table_id, config.tables, context))
    case 'catalog':
      return catalogResolver(context, { without_pointer: 'table_not_found' })
    case 'auto':
      return catalogResolver(context, { without_pointer: 'legacy' })
  }
}

function fixedResolver(answer: (table_id: string) => Resolution): TableResolver {
  return {
    // oxlint-disable-next-line require-yield -- nothing to read
    *resolve(table_id) {
      return answer(table_id)
    },
    knownRoot(table_id) {
      const resolution = answer(table_id)
      return resolution.ok ? resolution : null
    },
  }
}

function resolveStatic(
  table_id: string,
  tables: ReadonlyMap<string, string | null>,
  context: RootContext,
): Resolution {
  const location = tables.get(table_id)
  if (location === undefined) return { ok: false, reason: 'table_not_found', table_id }
  const root = normaliseRoot(table_id, location, context)
  return root === null
    ? { ok: false, reason: 'invalid_table_root', table_id }
    : { ok: true, root, source: 'static' }
}

function catalogResolver(
  context: RootContext,
  options: { readonly without_pointer: 'table_not_found' | 'legacy' },
): TableResolver {
  let cache: CatalogCache | null = null

  function knownRoot(table_id: string, monotonic_ms: number): ResolvedRoot | null {
    return cache !== null && monotonic_ms - cache.checked_at_ms < CACHE_MS
      ? (cache.roots.get(table_id) ?? null)
      : null
  }

  function* lookUp(table_id: string): Protocol<Resolution> {
    const { monotonic_ms } = yield* now()
    const known = knownRoot(table_id, monotonic_ms)
    if (known !== null) return known
    const pointer = yield* readCatalogPointer()
    const token = pointer.outcome === 'ok' ? pointer.token : null
    // Another look-up may put a newer generation into `cache` meanwhile: what is found here belongs to this one.
    const generation =
      cache !== null && sameGeneration(cache.pointer_token, token)
        ? cache
        : { pointer_token: token, checked_at_ms: monotonic_ms, roots: new Map<string, ResolvedRoot>() }
    generation.checked_at_ms = monotonic_ms
    cache = generation
    const kept = generation.roots.get(table_id)
    if (kept !== undefined) return kept
    const resolution =
      pointer.outcome === 'ok'
        ? yield* resolveInCatalog(table_id, pointer, context)
        : withoutPointer(table_id, options.without_pointer)
    if (resolution.ok) keep(generation.roots, table_id, resolution)
    return resolution
  }

  function* attempt(table_id: string): Protocol<Resolution> {
    try {
      return yield* lookUp(table_id)
    } catch (error) {
      return resolutionFailure(error)
    }
  }

  return {
    *resolve(table_id) {
      const first = yield* attempt(table_id)
      // An object that does not parse is read once more before it counts as corrupt (spec/storage.md 8).
      return !first.ok && first.reason === 'object_corrupt' ? yield* attempt(table_id) : first
    },
    knownRoot,
  }
}

/** Without a catalog every id has a root, so what a client makes up must not fill the memory. */
function keep(roots: Map<string, ResolvedRoot>, table_id: string, root: ResolvedRoot): void {
  if (roots.size >= ROOTS_MAX) roots.clear()
  roots.set(table_id, root)
}

function sameGeneration(a: Token | null, b: Token | null): boolean {
  return a === null || b === null ? a === b : sameVersion(a, b)
}

function withoutPointer(table_id: string, mode: 'table_not_found' | 'legacy'): Resolution {
  return mode === 'legacy'
    ? { ok: true, root: legacyRoot(table_id), source: 'legacy' }
    : { ok: false, reason: 'table_not_found', table_id }
}

function* resolveInCatalog(
  table_id: string,
  pointer: StoredObject,
  context: RootContext,
): Protocol<Resolution> {
  const table: CatalogTable | null = yield* readCatalogTable(pointer, table_id)
  if (table === null) return { ok: false, reason: 'table_not_found', table_id }
  // A row without a format is not a Delta table: a missing value means parquet (spec/coordinator.md 11.1).
  const format = (table.format ?? 'parquet').trim().toLowerCase()
  switch (format) {
    case 'delta': {
      const root = normaliseRoot(table_id, table.location, context)
      return root === null
        ? { ok: false, reason: 'invalid_table_root', table_id }
        : { ok: true, root, source: 'catalog' }
    }
    case 'iceberg':
    case 'parquet':
      return { ok: false, reason: 'not_delta', table_id, format }
  }
  return { ok: false, reason: 'object_corrupt', object_class: 'table_metadata' }
}

/** A catalog that cannot be read is an answer: it matters only if the request needs the root (11.2). */
function resolutionFailure(error: unknown): Resolution {
  if (error instanceof StoredObjectError) {
    return { ok: false, reason: 'object_corrupt', object_class: error.object_class }
  }
  if (error instanceof StoreError) return { ok: false, reason: 'storage_unavailable', retry_after_ms: 1000 }
  throw error
}
