/**
 * The private chunks of a rebuild from scratch (spec/correctness.md Q10, spec/rebuild.md 12): what each stretch of the list
 * changed, under `state/orchestration/rebuilds/{rebuild_id}/`, where no reader looks. A run that begins again reads the
 * finished ones by their hashes and goes on behind them; what it writes is the same, byte for byte, whoever runs it, so
 * that two runs of one rebuild help each other.
 *
 *     chunk-000000.json   a record: what chunk 0 came to, where its layer is, the hash of the record before
 *     layer.{hash}.json   what it changed, named by its content
 */
import * as z from 'zod'
import { all, sha256, type Protocol, type ReadAnswer } from '../../effects.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { replayFold, type Layer } from '../fold/layers.ts'
import type { FoldSettings, FoldState } from '../fold/state.ts'
import { rebuildFolder } from '../paths.ts'
import { ArtifactRef, batchesOf, newArtifacts, pathOf, readArtifacts } from './artifact.ts'
import { decodeLayer, encodeLayer } from './chunk-layer.ts'
import { Count, maybe, SafeCount } from './document-parts.ts'
import { documentOp, prettyBytes, toDocument, type DocumentKind, type SeenDocument } from './documents.ts'
import { ARTIFACT_BYTES_MAX, CHUNK_RECORD_BYTES_MAX } from './limits.ts'
import { putOnce } from './put-once.ts'
import { printRef } from './table-refs.ts'

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
  layer: ArtifactRef,
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
/** Layers that are read together: each is megabytes. */
const LAYERS_TOGETHER = 4

/** How far a rebuild has come: records by known key, up to the first that is missing, broken or does not follow. */
export function* readChunks(rebuild_id: string, count_max: number): Protocol<FinishedChunks> {
  let { records, last_hash }: FinishedChunks = NO_CHUNKS
  while (records.length < count_max) {
    const from = records.length
    const paths = Array.from({ length: Math.min(RECORDS_TOGETHER, count_max - from) }, (_, offset) =>
      recordPath(rebuild_id, from + offset),
    )
    const answers = yield* all(paths.map((path) => documentOp(CHUNK, path)))
    for (const [offset, path] of paths.entries()) {
      const seen = yield* toRecord(path, answers[offset] ?? { outcome: 'not_found' })
      if (seen === null || seen.value.index !== from + offset || seen.value.previous !== last_hash) {
        return { records, last_hash }
      }
      records = [...records, seen.value]
      last_hash = `sha256:${yield* sha256(seen.stored.bytes)}`
    }
  }
  return { records, last_hash }
}

/** A record that does not parse is as good as none: the events are there to begin again with. */
function* toRecord(path: string, answer: ReadAnswer): Protocol<SeenDocument<ChunkRecord> | null> {
  try {
    return yield* toDocument(CHUNK, path, answer)
  } catch (error) {
    if (error instanceof StoredObjectError) return null
    throw error
  }
}

/** The state at the end of the finished chunks; null when one of their layers is missing or broken. */
export function* restore(
  { records }: FinishedChunks,
  fold: FoldSettings,
  options: { readonly reads_max: number; readonly beforeRead: () => Protocol<void> },
): Protocol<FoldState | null> {
  const replay = replayFold(fold)
  const wanted = records.map(({ layer }) => ({
    object_class: 'rebuild_chunk' as const,
    ref: layer,
    bytes_max: ARTIFACT_BYTES_MAX,
  }))
  try {
    for (const batch of batchesOf(wanted, Math.min(options.reads_max, LAYERS_TOGETHER))) {
      yield* options.beforeRead()
      const contents = yield* readArtifacts(batch)
      contents.forEach((bytes, index) => replay.next(decodeLayer(pathOf(batch[index]?.ref ?? ''), bytes)))
    }
  } catch (error) {
    if (error instanceof StoredObjectError) return null
    throw error
  }
  return replay.end(records.at(-1)?.frontier_ms ?? null)
}

/** What a record says of a chunk besides where it is. */
export type ChunkFacts = Omit<ChunkRecord, 'schema_version' | 'index' | 'previous' | 'layer'>

/** Write what a chunk changed, then its record. Null: a key holds something else, and this run keeps no chunks. */
export function* writeChunk(
  rebuild_id: string,
  finished: FinishedChunks,
  layer: Layer,
  facts: ChunkFacts,
): Protocol<FinishedChunks | null> {
  const folder = rebuildFolder(rebuild_id)
  const [artifact] = yield* newArtifacts(folder, [{ file: 'layer.json', bytes: encodeLayer(layer) }])
  if (artifact === undefined) throw new Error('one file is one artifact')
  const index = finished.records.length
  const record: ChunkRecord = {
    schema_version: 1,
    index,
    previous: finished.last_hash,
    ...facts,
    layer: artifact.ref,
  }
  const bytes = encodeRecord(record)
  const layers_taken = yield* putOnce([{ path: artifact.ref.path, bytes: artifact.bytes }], 1)
  // Crash here: a layer that no record names. The next run writes the same one again.
  const records_taken = yield* putOnce([{ path: recordPath(rebuild_id, index), bytes }], 1)
  if (layers_taken.length + records_taken.length > 0) return null
  return { records: [...finished.records, record], last_hash: `sha256:${yield* sha256(bytes)}` }
}

function recordPath(rebuild_id: string, index: number): string {
  return `${rebuildFolder(rebuild_id)}/chunk-${String(index).padStart(6, '0')}.json`
}

function encodeRecord({ previous, frontier_ms, layer, ...record }: ChunkRecord): Uint8Array {
  return prettyBytes({
    schema_version: record.schema_version,
    index: record.index,
    previous: previous ?? undefined,
    event_count: record.event_count,
    applied: record.applied,
    no_effect: record.no_effect,
    duplicate: record.duplicate,
    quarantined: record.quarantined,
    frontier_ms: frontier_ms ?? undefined,
    layer: printRef(layer),
  })
}
