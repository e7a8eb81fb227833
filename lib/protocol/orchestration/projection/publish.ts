/**
 * How a revision becomes visible (spec/manifests.md 13, spec/locks-and-fencing.md 6.5, spec/correctness.md Q1–Q4). The
 * artifacts are there already.
 *
 *     check the lock → manifest, if absent → enough of the lease left → pointer, by CAS
 *                            │ id taken by other bytes                    │ lost, or its answer was
 *                            ├─ pointer moved ──────────┐                 ├─ ours is on the chain ──> published
 *                            └─ else the next id, ≤ 64  └──> moved <──────┴─ somebody else's is
 *
 * `moved`: another publisher was faster and nothing of ours is visible; the caller begins again from the new head.
 */
import { StoreError, type GetResult, type StoredObject, type Token } from '../../../store/types.ts'
import { all, get, now, put, readable, sha256, type Protocol } from '../../effects.ts'
import { StoredObjectError } from '../../stored-error.ts'
import { manifestPath, POINTER_PATH } from '../paths.ts'
import { checkAuthority, checkLease, type Authority } from './authority.ts'
import { timeText } from './document-parts.ts'
import { parseDocument, readNamed } from './documents.ts'
import { POINTER_OP, type Head } from './head.ts'
import {
  CHAIN_STEPS_MAX,
  MANIFEST_BYTES_MAX,
  RESENDS_MAX,
  RETRY_AFTER_MS,
  SKIPPED_IDS_MAX,
} from './limits.ts'
import { encodeManifest, MANIFEST, type Manifest } from './manifest.ts'
import { idNumber, idText } from './manifest-id.ts'
import { Refused } from './outcomes.ts'
import { encodePointer, POINTER, type Pointer } from './pointer.ts'
import { beforeResend, sameBytes } from './put-once.ts'
import { assertSuccession } from './succession.ts'

/** A revision that is visible, and the pointer's generation as it was last seen. */
export interface Published {
  readonly outcome: 'published'
  readonly manifest: Manifest
  readonly pointer_token: Token
  /** The head that it makes; null when others have published on top of it since. */
  readonly head: Head | null
}

/** Nothing of ours is visible. */
export interface Moved {
  readonly outcome: 'moved'
}

/** A manifest but for its id, which depends on what lies in the way; and where to begin looking. */
export interface Draft {
  readonly head: Head
  readonly next: Manifest
  readonly first_id: number
}

/** Publish a revision as the successor of the head that it was made from. */
export function* publish(draft: Draft, authority: Authority): Protocol<Published | Moved> {
  yield* checkAuthority(authority)
  const manifest = yield* writeManifest(draft)
  if (manifest === null) return { outcome: 'moved' }
  // Crash here: the manifest exists and nothing names it. The next publisher skips its id (X8).
  const parent_hash = yield* hashOf(draft.head.stored)
  const pointer = yield* nextPointer(manifest, parent_hash)
  assertSuccession(draft.head.pointer, parent_hash, pointer, 'publish')
  yield* checkLease(authority)
  const swapped = yield* swapPointer(draft.head.stored, pointer, (seen) => isOnChain(seen, manifest))
  if (swapped === null) return { outcome: 'moved' }
  const { stored, is_head } = swapped
  const head = is_head ? { stored, pointer, manifest, damage: null } : null
  return { outcome: 'published', manifest, pointer_token: stored.token, head }
}

/**
 * Touch the pointer (Q8, F-7): the same manifest under a new generation, so that every publisher that read the old one
 * loses its CAS. Null: somebody else has moved it.
 */
export function* touch(head: Head): Protocol<Token | null> {
  if (head.pointer === null) return null
  const { now_ms } = yield* now()
  const parent_pointer_hash = yield* hashOf(head.stored)
  const pointer = { ...head.pointer, parent_pointer_hash, updated_at: timeText(now_ms) }
  assertSuccession(head.pointer, parent_pointer_hash, pointer, 'touch')
  return (yield* swapPointer(head.stored, pointer, null))?.stored.token ?? null
}

/** Write the manifest under the first id that is free or holds these very bytes; null when the pointer has moved. */
function* writeManifest({ head, next, first_id }: Draft): Protocol<Manifest | null> {
  for (let skipped = 0; skipped <= SKIPPED_IDS_MAX; skipped++) {
    const manifest = { ...next, manifest_id: idText(first_id + skipped) }
    const path = manifestPath(manifest.manifest_id)
    const found = yield* putManifest(path, encodeManifest(manifest))
    if (found.is_ours) return manifest
    if (!sameStored(head.stored, found.pointer)) return null
  }
  throw new Refused({
    ok: false,
    reason: 'contention',
    detail: `the next ${SKIPPED_IDS_MAX + 1} manifest ids are taken and the pointer does not move`,
    retry_after_ms: RETRY_AFTER_MS,
  })
}

/** Put until the key holds these bytes or others; the pointer is looked at together with the others. */
function* putManifest(
  path: string,
  bytes: Uint8Array,
): Protocol<{ readonly is_ours: true } | { readonly is_ours: false; readonly pointer: StoredObject | null }> {
  for (let sent = 1; ; sent++) {
    const result = yield* put({ path, bytes, precondition: 'doesNotExist' })
    if (result.outcome === 'ok') return { is_ours: true }
    const [manifest, pointer] = yield* all([{ kind: 'get', path, bytes_max: MANIFEST_BYTES_MAX }, POINTER_OP])
    const seen = readable(manifest)
    if (seen.outcome === 'ok') {
      return sameBytes(seen.bytes, bytes)
        ? { is_ours: true }
        : { is_ours: false, pointer: storedOrNull(readable(pointer)) }
    }
    yield* beforeResend([result], sent)
  }
}

function* nextPointer(manifest: Manifest, parent_pointer_hash: string | null): Protocol<Pointer> {
  const { now_ms } = yield* now()
  return {
    manifest_id: manifest.manifest_id,
    manifest_path: manifestPath(manifest.manifest_id),
    epoch: manifest.epoch,
    parent_pointer_hash,
    updated_at: timeText(now_ms),
  }
}

function* hashOf(stored: StoredObject | null): Protocol<string | null> {
  return stored === null ? null : `sha256:${yield* sha256(stored.bytes)}`
}

/**
 * Replace the pointer that was read. Null: somebody else has, and `isVisible`, where given, says no of theirs. After
 * anything but `ok` the pointer is looked at; while it is still the old one the same put is sent again, which takes effect
 * once at most.
 */
function* swapPointer(
  previous: StoredObject | null,
  pointer: Pointer,
  isVisible: ((seen: Pointer) => Protocol<boolean>) | null,
): Protocol<{ readonly stored: StoredObject; readonly is_head: boolean } | null> {
  const bytes = encodePointer(pointer)
  const precondition = previous === null ? 'doesNotExist' : { matchesVersion: previous.token }
  let may_have_landed = false
  for (let sent = 1; ; sent++) {
    const result = yield* put({ path: POINTER_PATH, bytes, precondition })
    if (result.outcome === 'ok') return { stored: { ...result, bytes }, is_head: true }
    may_have_landed ||= result.outcome !== 'no_effect'
    const seen = yield* lookAt(may_have_landed)
    const is_head = seen !== null && sameBytes(seen.bytes, bytes)
    if (is_head && isVisible === null) return { stored: seen, is_head }
    if (is_head || result.outcome === 'precondition_failed' || !sameStored(previous, seen)) {
      if (seen === null || isVisible === null) return null
      // Equal pointers are not enough: what they name may have been collected and written by somebody else.
      return (yield* isStillVisible(seen, isVisible)) ? { stored: seen, is_head } : null
    }
    if (sent > RESENDS_MAX && may_have_landed) throw outcomeUnknown()
    yield* beforeResend([result], sent)
  }
}

/** The pointer now. When it cannot be read, what a put before it did stays open. */
function* lookAt(may_have_landed: boolean): Protocol<StoredObject | null> {
  try {
    return storedOrNull(yield* get(POINTER_PATH, POINTER.bytes_max))
  } catch (error) {
    throw may_have_landed && error instanceof StoreError ? outcomeUnknown() : error
  }
}

/** Broken or unreadable objects on the way leave open whether our pointer was there. */
function* isStillVisible(
  seen: StoredObject,
  isVisible: (seen: Pointer) => Protocol<boolean>,
): Protocol<boolean> {
  try {
    return yield* isVisible(parseDocument(POINTER, POINTER_PATH, seen.bytes))
  } catch (error) {
    throw error instanceof StoredObjectError || error instanceof StoreError ? outcomeUnknown() : error
  }
}

/** Q3: whether our manifest is on the chain of a pointer. Ids decrease on the way back, so the walk ends. */
function* isOnChain(seen: Pointer, ours: Manifest): Protocol<boolean> {
  const own_id = idNumber(ours.manifest_id)
  let path: string | null = seen.manifest_path
  for (let steps = 0; path !== null; steps++) {
    if (steps >= CHAIN_STEPS_MAX) throw outcomeUnknown()
    const { value }: { readonly value: Manifest } = yield* readNamed(MANIFEST, path)
    if (value.manifest_id === ours.manifest_id) return value.revision_ulid === ours.revision_ulid
    const id = idNumber(value.manifest_id)
    if (id === null || own_id === null || id < own_id) return false
    path = value.previous_manifest_path
  }
  return false
}

function storedOrNull(answer: GetResult): StoredObject | null {
  return answer.outcome === 'ok' ? answer : null
}

/** Bytes of a pointer never repeat, because each names the hash of the one before (spec/storage.md 5.4). */
function sameStored(a: StoredObject | null, b: StoredObject | null): boolean {
  return a === null || b === null ? a === b : sameBytes(a.bytes, b.bytes)
}

function outcomeUnknown(): Refused {
  return new Refused({ ok: false, reason: 'outcome_unknown', retry_after_ms: RETRY_AFTER_MS })
}
