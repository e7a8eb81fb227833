/**
 * Artifacts: immutable objects that a manifest names with their size and hash (spec/projections.md 10). Bytes are
 * compared with both before anything decodes them (8.5); only a reference of an early version, a bare path, has neither.
 */
import * as z from 'zod'
import { sha256, type Protocol } from '../../effects.ts'
import { artifactPath, isProjectionPath } from '../paths.ts'
import { corrupt, type ObjectClass } from './documents.ts'
import { ARTIFACT_BYTES_MAX } from './limits.ts'

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

/** Name some bytes: `file` in `folder`, with the beginning of their hash in the name. */
export function* newArtifact(folder: string, file: string, bytes: Uint8Array): Protocol<NewArtifact> {
  return named(folder, file, bytes, yield* sha256(bytes))
}

/** As `newArtifact`, where the hash is known. */
export function named(folder: string, file: string, bytes: Uint8Array, hash: string): NewArtifact {
  return {
    bytes,
    ref: {
      path: artifactPath(folder, file, hash),
      checksum_sha256: `sha256:${hash}`,
      byte_size: bytes.length,
    },
  }
}

/** Where the artifact is. */
export function pathOf(ref: ArtifactRef): string {
  return typeof ref === 'string' ? ref : ref.path
}

/** How many bytes a read of it may return. */
export function bytesMaxOf(ref: ArtifactRef, object_class_max: number = ARTIFACT_BYTES_MAX): number {
  return typeof ref === 'string' ? object_class_max : Math.min(ref.byte_size, object_class_max)
}

/** Throws `object_corrupt` unless the bytes are those that the reference names. */
export function* verifyArtifact(
  object_class: ObjectClass,
  ref: ArtifactRef,
  bytes: Uint8Array,
): Protocol<void> {
  if (typeof ref === 'string') return
  if (bytes.length !== ref.byte_size) {
    throw corrupt(object_class, ref.path, `expected ${ref.byte_size} bytes, saw ${bytes.length}`)
  }
  if (`sha256:${yield* sha256(bytes)}` !== ref.checksum_sha256) {
    throw corrupt(object_class, ref.path, 'its SHA-256 is not the one in the manifest')
  }
}
