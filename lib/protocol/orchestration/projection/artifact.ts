/**
 * Artifacts: immutable objects that a manifest names with their size and hash (spec/projections.md 10). Bytes are
 * compared with both before anything decodes them (8.5); only a reference of an early version, a bare path, has neither.
 */
import * as z from 'zod'
import { all, type Protocol } from '../../effects.ts'
import { artifactPath, isProjectionPath } from '../paths.ts'
import { boundedAnswer, corrupt, type ObjectClass } from './documents.ts'

const Path = z.string().refine(isProjectionPath)

/** A reference as manifests hold it; early versions stored the path alone, and a rewrite keeps that form. */
export const ArtifactRef = z.union([
  Path,
  z.object({
    path: Path,
    checksum_sha256: z.string().regex(/^sha256:[0-9a-f]{64}$/),
    byte_size: z.int().min(0),
  }),
])
export type ArtifactRef = z.infer<typeof ArtifactRef>

/** An artifact before it is written: bytes, and the reference that will name them. */
export interface NewArtifact {
  readonly bytes: Uint8Array
  readonly ref: Exclude<ArtifactRef, string>
}

/** A file that will become an artifact. */
export interface NewFile {
  /** Its name before the hash is put into it. */
  readonly file: string
  readonly bytes: Uint8Array
}

/** Name some files by the hash of their bytes. */
export function* newArtifacts(folder: string, files: readonly NewFile[]): Protocol<NewArtifact[]> {
  const hashes = yield* all(files.map(({ bytes }) => ({ kind: 'sha256' as const, bytes })))
  return files.map(({ file, bytes }, index) => {
    const hash = hashes[index] ?? ''
    const path = artifactPath(folder, file, hash)
    return { bytes, ref: { path, checksum_sha256: `sha256:${hash}`, byte_size: bytes.length } }
  })
}

/** Where the artifact is. */
export function pathOf(ref: ArtifactRef): string {
  return typeof ref === 'string' ? ref : ref.path
}

/** An artifact to read, and what kind of object it is. */
export interface WantedArtifact {
  readonly object_class: ObjectClass
  readonly ref: ArtifactRef
  readonly bytes_max: number
}

/** Bytes of reads that are on their way together, besides their number. */
const BATCH_BYTES_MAX = 64 * 1024 * 1024
/** What an artifact of unknown size counts for. */
const UNKNOWN_BYTES = 4 * 1024 * 1024

/** Cut reads into batches, each of at most `count_max` artifacts and of bounded size. */
export function batchesOf<W extends WantedArtifact>(wanted: readonly W[], count_max: number): W[][] {
  const batches: W[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const each of wanted) {
    const size = typeof each.ref === 'string' ? UNKNOWN_BYTES : each.ref.byte_size
    const batch = batches.at(-1)
    if (batch === undefined || batch.length >= count_max || bytes + size > BATCH_BYTES_MAX) {
      batches.push([each])
      bytes = size
    } else {
      batch.push(each)
      bytes += size
    }
  }
  return batches
}

/** Read artifacts together and compare each with its reference. Throws `object_corrupt` for the first that differs. */
export function* readArtifacts(wanted: readonly WantedArtifact[]): Protocol<Uint8Array[]> {
  const answers = yield* all(
    wanted.map(({ ref, bytes_max }) => ({
      kind: 'get' as const,
      path: pathOf(ref),
      bytes_max: limitOf(ref, bytes_max),
    })),
  )
  const found = wanted.map(({ object_class, ref }, index) => {
    const answer = answers[index] ?? { outcome: 'not_found' as const }
    const stored = boundedAnswer(object_class, pathOf(ref), answer)
    if (stored === null) throw corrupt(object_class, pathOf(ref), 'does not exist')
    return stored.bytes
  })
  const hashes = yield* all(found.map((bytes) => ({ kind: 'sha256' as const, bytes })))
  wanted.forEach((each, index) => verify(each, found[index] ?? new Uint8Array(), hashes[index] ?? ''))
  return found
}

function limitOf(ref: ArtifactRef, bytes_max: number): number {
  return typeof ref === 'string' ? bytes_max : Math.min(ref.byte_size, bytes_max)
}

function verify({ object_class, ref }: WantedArtifact, bytes: Uint8Array, hash: string): void {
  if (typeof ref === 'string') return
  if (bytes.length !== ref.byte_size) {
    throw corrupt(object_class, ref.path, `expected ${ref.byte_size} bytes, saw ${bytes.length}`)
  }
  if (`sha256:${hash}` !== ref.checksum_sha256) {
    throw corrupt(object_class, ref.path, 'its SHA-256 is not the one in the manifest')
  }
}
