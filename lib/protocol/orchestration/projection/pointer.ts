/** The pointer: which manifest readers see. Its CAS is the one write that publishes (spec/manifests.md 3). */
import * as z from 'zod'
import { isProjectionPath } from '../paths.ts'
import { maybe, SafeCount, Time } from './document-parts.ts'
import { prettyBytes, type DocumentKind } from './documents.ts'
import { POINTER_BYTES_MAX } from './limits.ts'
import { FIRST_MANIFEST_ID } from './manifest-id.ts'

const PointerDocument = z
  .object({
    manifest_id: maybe(z.string()),
    manifest_path: z.string().refine(isProjectionPath),
    epoch: maybe(SafeCount),
    parent_pointer_hash: maybe(z.string()),
    updated_at: Time,
  })
  .transform((pointer) => ({
    ...pointer,
    manifest_id: pointer.manifest_id ?? idInPath(pointer.manifest_path),
    epoch: pointer.epoch ?? 0,
  }))

/** The document; an early one without an id has the one in its `manifest_path`. */
export type Pointer = Readonly<z.output<typeof PointerDocument>>

/** How the pointer is read. */
export const POINTER: DocumentKind<Pointer> = {
  object_class: 'pointer',
  bytes_max: POINTER_BYTES_MAX,
  schema: PointerDocument,
}

/** The bytes to store. */
export function encodePointer(pointer: Pointer): Uint8Array {
  const { manifest_id, manifest_path, epoch, parent_pointer_hash, updated_at } = pointer
  return prettyBytes({
    manifest_id,
    manifest_path,
    epoch,
    parent_pointer_hash: parent_pointer_hash ?? undefined,
    updated_at,
  })
}

function idInPath(path: string): string {
  return /([0-9]{20})\.json$/.exec(path)?.[1] ?? FIRST_MANIFEST_ID
}
