/**
 * The private chunks of a rebuild from scratch (spec/correctness.md Q10, spec/rebuild.md 12): what each stretch of the list
 * changed, under `state/orchestration/rebuilds/{rebuild_id}/`, where no reader looks. A run that begins again reads the
 * finished ones by their hashes and goes on behind them; what it writes is the same, byte for byte, whoever runs it, so
 * that two runs of one rebuild help each other.
 *
 *     chunk-000000.json   a record: the artifacts of chunk 0, how far it went, the hash of the record before
 *     runs.{hash}.parquet, deletions.{hash}.json, …   named by their content; chunks may share them
 */
import * as z from 'zod'
import { all, sha256, type Protocol } from '../../effects.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { replayFold, type Layer } from '../fold/layers.ts'
import type { FoldSettings, FoldState } from '../fold/state.ts'
import { rebuildFolder } from '../paths.ts'
import { ArtifactRef } from './artifact.ts'
import { Count, maybe, SafeCount } from './document-parts.ts'
import { documentOp, prettyBytes, toDocument, type DocumentKind, type Printable } from './documents.ts'
import { CHUNK_RECORD_BYTES_MAX } from './limits.ts'
import { readLayers } from './load.ts'
import { putOnce } from './put-once.ts'
import { printRef, printTableRefs, TableRefs } from './table-refs.ts'
import { layerFiles, splitFiles, writeFiles, type LayerWriter } from './write-layer.ts'

const ChunkRecord = z.object({
  schema_version: z.literal(1),
  index: Count,
  /** Hash of the record before; absent in the first. */
  previous: maybe(z.string()),
  /** Events of the list that this chunk covers. */
  event_count: Count,
  applied: Count,
  no_effect: Count,
  duplicate: Count,
  quarantined: z.array(z.object({ path: z.string(), offset: SafeCount, detail: z.string() })),
  /** Where retention stood: the next chunk goes on from there. */
  frontier_ms: maybe(z.int()),
  tables: TableRefs,
  deletions: ArtifactRef,
})
/** What a chunk came to, and where it is. */
export type ChunkRecord = Readonly<z.output<typeof ChunkRecord>>

const CHUNK: DocumentKind<ChunkRecord> = {
  object_class: 'rebuild_chunk',
  bytes_max: CHUNK_RECORD_BYTES_MAX,
  schema: ChunkRecord,
}

/** Finished chunks of a rebuild, in order. */
export interface FinishedChunks {
  readonly records: readonly ChunkRecord[]
  /** Hash of the last record; null when there is none. */
  readonly last_hash: string | null
}

/** No chunk is finished. */
export const NO_CHUNKS: FinishedChunks = { records: [], last_hash: null }

/** Records that are read together when looking how far a rebuild has come. */
const RECORDS_TOGETHER = 32

/** How far a rebuild has come: records by known key, up to the first that is missing or does not follow. */
export function* readChunks(rebuild_id: string, count_max: number): Protocol<FinishedChunks> {
  let { records, last_hash }: FinishedChunks = NO_CHUNKS
  while (records.length < count_max) {
    const from = records.length
    const paths = Array.from({ length: Math.min(RECORDS_TOGETHER, count_max - from) }, (_, offset) =>
      recordPath(rebuild_id, from + offset),
    )
    const answers = yield* all(paths.map((path) => documentOp(CHUNK, path)))
    for (const [offset, path] of paths.entries()) {
      const seen = yield* toDocument(CHUNK, path, answers[offset] ?? { outcome: 'not_found' })
      if (seen === null || seen.value.index !== from + offset || seen.value.previous !== last_hash) {
        return { records, last_hash }
      }
      records = [...records, seen.value]
      last_hash = `sha256:${yield* sha256(seen.stored.bytes)}`
    }
  }
  return { records, last_hash }
}

/** The state at the end of the finished chunks; null when one of their artifacts is missing or broken. */
export function* restore(
  { records }: FinishedChunks,
  fold: FoldSettings,
  reads_max: number,
): Protocol<FoldState | null> {
  const replay = replayFold(fold)
  try {
    for (const { tables, deletions } of records) {
      for (const layer of yield* readLayers([{ tables, deletions }], reads_max)) replay.next(layer)
    }
  } catch (error) {
    if (error instanceof StoredObjectError) return null
    throw error
  }
  return replay.end(records.at(-1)?.frontier_ms ?? null)
}

/** Write what a chunk changed, then its record. False: the key holds another record, and this run keeps no chunks. */
export function* writeChunk(
  rebuild_id: string,
  finished: FinishedChunks,
  layer: Layer,
  about: Pick<
    ChunkRecord,
    'event_count' | 'applied' | 'no_effect' | 'duplicate' | 'quarantined' | 'frontier_ms'
  >,
  writer: LayerWriter,
): Protocol<FinishedChunks | null> {
  const written = yield* writeFiles(rebuildFolder(rebuild_id), layerFiles(layer, true), writer)
  if (written === null) return null
  const { tables, deletions } = splitFiles(written)
  if (deletions === null) throw new Error('a chunk has its deletions')
  const index = finished.records.length
  const record: ChunkRecord = {
    schema_version: 1,
    index,
    previous: finished.last_hash,
    ...about,
    tables,
    deletions,
  }
  const bytes = encodeRecord(record)
  // Crash here: artifacts that no record names. The next run writes the same ones again.
  const taken = yield* putOnce([{ path: recordPath(rebuild_id, index), bytes }], 1)
  if (taken.length > 0) return null
  return { records: [...finished.records, record], last_hash: `sha256:${yield* sha256(bytes)}` }
}

function recordPath(rebuild_id: string, index: number): string {
  return `${rebuildFolder(rebuild_id)}/chunk-${String(index).padStart(6, '0')}.json`
}

function encodeRecord(record: ChunkRecord): Uint8Array {
  const { previous, frontier_ms, tables, deletions, quarantined, ...counts } = record
  const document: Printable = {
    schema_version: counts.schema_version,
    index: counts.index,
    previous: previous ?? undefined,
    event_count: counts.event_count,
    applied: counts.applied,
    no_effect: counts.no_effect,
    duplicate: counts.duplicate,
    quarantined,
    frontier_ms: frontier_ms ?? undefined,
    tables: printTableRefs(tables),
    deletions: printRef(deletions),
  }
  return prettyBytes(document)
}
