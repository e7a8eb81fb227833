/**
 * The manifest of one revision: what its rows are made of and how far the ledger has come (spec/manifests.md 4 and 5).
 * Immutable once written; every revision is a new object.
 */
import * as z from 'zod'
import { isProjectionPath } from '../paths.ts'
import { TABLE_NAMES, type TableName } from '../tables/all.ts'
import { ArtifactRef } from './artifact.ts'
import { Count, maybe, NEVER, SafeCount, Time } from './document-parts.ts'
import { prettyBytes, type DocumentKind, type Printable } from './documents.ts'
import { MANIFEST_BYTES_MAX } from './limits.ts'
import { FIRST_MANIFEST_ID } from './manifest-id.ts'
import { printRef, printTableRefs, TableRefs } from './table-refs.ts'

/** How far the ledger has come (5.1). Ids compare by bytes. */
const Watermarks = z.object({
  last_committed_event_id: maybe(z.string()),
  last_visible_event_id: maybe(z.string()),
  events_processed_through: maybe(z.string()),
  last_processed_file: maybe(z.string()),
  last_processed_at: Time,
})
/** How far the ledger has come. */
export type Watermarks = Readonly<z.output<typeof Watermarks>>

/** The bottom layer (5.2). `snapshot_id` null: there is none, whatever `tables` says. */
const BaseSnapshot = z.object({
  snapshot_id: maybe(z.string()),
  published_at: Time,
  tables: TableRefs,
  delete_channel_version: Count.default(0),
})
/** The bottom layer. */
export type BaseSnapshot = Readonly<z.output<typeof BaseSnapshot>>

const RowCounts = z.object(
  Object.fromEntries(TABLE_NAMES.map((name) => [name, Count.default(0)])) as {
    readonly [N in TableName]: z.ZodDefault<typeof Count>
  },
)
/** Rows of a delta by table. */
export type RowCounts = Readonly<z.output<typeof RowCounts>>

/** One layer above the base (5.4). */
const Delta = z.object({
  delta_id: z.string(),
  created_at: Time,
  event_range: z.object({ from_event: z.string(), to_event: z.string(), event_count: Count }),
  tables: TableRefs,
  row_counts: RowCounts,
  deletions: maybe(ArtifactRef),
  deletion_count: Count.default(0),
})
/** One layer above the base. */
export type Delta = Readonly<z.output<typeof Delta>>

/** When layers are merged into a base (8). */
const Limits = z.object({ max_count: Count, max_rows: Count, max_age_seconds: SafeCount })

/** Which events a revision came from, each with the hash of its canonical form (5.6). */
const Witness = z.object({
  events: z.array(z.object({ path: z.string(), checksum_sha256: z.string() })),
})
/** Which events a revision came from. */
export type Witness = Readonly<z.output<typeof Witness>>

/** Events that were left out because they do not decode, on an operator's word (correctness.md Q11); ours alone. */
const Quarantine = z.object({
  event_count: Count,
  events: z.array(z.object({ path: z.string(), offset: SafeCount, detail: z.string() })),
})
/** Events that were left out. */
export type Quarantine = Readonly<z.output<typeof Quarantine>>

const ManifestDocument = z
  .object({
    manifest_id: maybe(z.string()),
    epoch: maybe(SafeCount),
    previous_manifest_path: maybe(z.string().refine(isProjectionPath)),
    schema_version: Count,
    revision_ulid: z.string(),
    published_at: Time,
    watermarks: Watermarks,
    base_snapshot: BaseSnapshot,
    l0_deltas: z.array(Delta).readonly(),
    l0_count: Count,
    l0_limits: Limits,
    publication_witness: maybe(Witness),
    quarantine: maybe(Quarantine),
  })
  .transform(({ l0_count: _redundant, ...manifest }) => ({
    ...manifest,
    manifest_id: manifest.manifest_id ?? FIRST_MANIFEST_ID,
    epoch: manifest.epoch ?? 0,
  }))
/** One revision. `l0_count` is not in it: it is counted when it is needed (M6). */
export type Manifest = Readonly<z.output<typeof ManifestDocument>>

/** How a manifest is read. */
export const MANIFEST: DocumentKind<Manifest> = {
  object_class: 'manifest',
  bytes_max: MANIFEST_BYTES_MAX,
  schema: ManifestDocument,
}

/** Highest `schema_version` that we understand. */
export const SCHEMA_VERSION_MAX = 2

/** No base. */
export const NO_BASE: BaseSnapshot = {
  snapshot_id: null,
  published_at: NEVER,
  tables: [],
  delete_channel_version: 0,
}

/** Nothing of the ledger has been seen. */
export const NO_WATERMARKS: Watermarks = {
  last_committed_event_id: null,
  last_visible_event_id: null,
  events_processed_through: null,
  last_processed_file: null,
  last_processed_at: NEVER,
}

/** What every new workspace begins with (15). */
export function emptyManifest(revision_ulid: string, published_at: string): Manifest {
  return {
    manifest_id: FIRST_MANIFEST_ID,
    epoch: 0,
    previous_manifest_path: null,
    schema_version: 1,
    revision_ulid,
    published_at,
    watermarks: NO_WATERMARKS,
    base_snapshot: NO_BASE,
    l0_deltas: [],
    l0_limits: { max_count: 10, max_rows: 100_000, max_age_seconds: 300 },
    publication_witness: null,
    quarantine: null,
  }
}

/** The bytes to store. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return prettyBytes({
    manifest_id: manifest.manifest_id,
    epoch: manifest.epoch,
    previous_manifest_path: manifest.previous_manifest_path ?? undefined,
    schema_version: manifest.schema_version,
    revision_ulid: manifest.revision_ulid,
    published_at: manifest.published_at,
    watermarks: printWatermarks(manifest.watermarks),
    base_snapshot: printBase(manifest.base_snapshot),
    l0_deltas: manifest.l0_deltas.map(printDelta),
    l0_count: manifest.l0_deltas.length,
    l0_limits: manifest.l0_limits,
    publication_witness: manifest.publication_witness ?? undefined,
    quarantine: manifest.quarantine ?? undefined,
  })
}

function printWatermarks(watermarks: Watermarks): Printable {
  return {
    last_committed_event_id: watermarks.last_committed_event_id ?? undefined,
    last_visible_event_id: watermarks.last_visible_event_id ?? undefined,
    events_processed_through: watermarks.events_processed_through ?? undefined,
    last_processed_file: watermarks.last_processed_file ?? undefined,
    last_processed_at: watermarks.last_processed_at,
  }
}

function printBase(base: BaseSnapshot): Printable {
  return {
    snapshot_id: base.snapshot_id ?? undefined,
    published_at: base.published_at,
    tables: printTableRefs(base.tables),
    delete_channel_version: base.delete_channel_version,
  }
}

function printDelta(delta: Delta): Printable {
  return {
    delta_id: delta.delta_id,
    created_at: delta.created_at,
    event_range: delta.event_range,
    tables: printTableRefs(delta.tables),
    row_counts: delta.row_counts,
    deletions: delta.deletions === null ? undefined : printRef(delta.deletions),
    deletion_count: delta.deletion_count,
  }
}
