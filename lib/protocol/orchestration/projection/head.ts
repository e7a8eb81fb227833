/** What readers see now: the pointer, and the manifest that it names (spec/manifests.md 3 and 15). */
import type { StoredObject } from '../../../store/types.ts'
import { all, get, type Protocol, type ReadAnswer } from '../../effects.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { POINTER_PATH, RETIRED_MANIFEST_PATH } from '../paths.ts'
import { documentOp, readDocument, readNamed, toDocument, type SeenDocument } from './documents.ts'
import { MANIFEST_BYTES_MAX } from './limits.ts'
import { MANIFEST, type Manifest } from './manifest.ts'
import { POINTER, type Pointer } from './pointer.ts'

/** The head of the chain. */
export interface Head {
  /** The generation of the pointer that was read; null when nothing was published. */
  readonly stored: StoredObject | null
  /** What it says. */
  readonly pointer: Pointer | null
  /** As readers see it: with the pointer's id, and the higher of both epochs. Null: an empty workspace. */
  readonly manifest: Manifest | null
  /** Why a part could not be read; null unless damage was asked for. */
  readonly damage: string | null
}

/** The read of the pointer, to be issued with others. */
export const POINTER_OP = documentOp(POINTER, POINTER_PATH)

/** Read the pointer and what it names. */
export function* readHead(): Protocol<Head> {
  const [answer] = yield* all([POINTER_OP])
  return yield* toHead(answer)
}

/** The head, from the answer to `POINTER_OP`. */
export function* toHead(answer: ReadAnswer): Protocol<Head> {
  return yield* named(yield* toPointer(answer))
}

/** The pointer alone, from the answer to `POINTER_OP`. */
export function* toPointer(answer: ReadAnswer): Protocol<SeenDocument<Pointer> | null> {
  return yield* toDocument(POINTER, POINTER_PATH, answer)
}

/** Epoch of the pointer, 0 where it says none: a rebuild from scratch replaces one that does not parse. */
export function* epochOf(answer: ReadAnswer): Protocol<number> {
  try {
    return (yield* toPointer(answer))?.value.epoch ?? 0
  } catch (error) {
    if (error instanceof StoredObjectError) return 0
    throw error
  }
}

function* named(seen: SeenDocument<Pointer> | null): Protocol<Head> {
  if (seen === null) {
    const retired = yield* readDocument(MANIFEST, RETIRED_MANIFEST_PATH)
    return { stored: null, pointer: null, manifest: retired?.value ?? null, damage: null }
  }
  const { value: pointer, stored } = seen
  const { value } = yield* readNamed(MANIFEST, pointer.manifest_path)
  const { manifest_id } = pointer
  const manifest = { ...value, manifest_id, epoch: Math.max(value.epoch, pointer.epoch) }
  return { stored, pointer, manifest, damage: null }
}

/** The head as far as it can be read: a rebuild from scratch is there to replace what cannot (rebuild.md 12). */
export function* readDamagedHead(): Protocol<Head> {
  let seen: SeenDocument<Pointer> | null
  try {
    seen = yield* readDocument(POINTER, POINTER_PATH)
  } catch (error) {
    const damage = damageOf(error)
    const answer = yield* get(POINTER_PATH, MANIFEST_BYTES_MAX)
    return { stored: answer.outcome === 'ok' ? answer : null, pointer: null, manifest: null, damage }
  }
  try {
    return yield* named(seen)
  } catch (error) {
    const damage = damageOf(error)
    return { stored: seen?.stored ?? null, pointer: seen?.value ?? null, manifest: null, damage }
  }
}

function damageOf(error: unknown): string {
  if (error instanceof StoredObjectError) return `${error.object_class}: ${error.message}`
  throw error
}
