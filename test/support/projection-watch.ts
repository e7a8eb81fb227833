/**
 * What must hold of a bucket after every write of the pointer, whoever made it (spec/correctness.md 7: P1, P2, P6). Put
 * between a process and its store, it looks at the bucket itself, so that a broken promise ends the test at the write
 * that broke it.
 */
import { createHash } from 'node:crypto'
import type { MemoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/store/types.ts'
import { compareBytes } from '../../lib/protocol/orchestration/byte-order.ts'
import { POINTER_PATH } from '../../lib/protocol/orchestration/paths.ts'
import { parseDocument } from '../../lib/protocol/orchestration/projection/documents.ts'
import { layersOf } from '../../lib/protocol/orchestration/projection/load.ts'
import { MANIFEST, type Manifest } from '../../lib/protocol/orchestration/projection/manifest.ts'
import { POINTER, type Pointer } from '../../lib/protocol/orchestration/projection/pointer.ts'
import type { ArtifactRef } from '../../lib/protocol/orchestration/projection/artifact.ts'

/** A promise that the bucket does not keep. */
export class BrokenPromise extends Error {
  constructor(rule: string, what: string) {
    super(`${rule}: ${what}`)
    this.name = 'BrokenPromise'
  }
}

/** A pointer as it was written, and the manifest that it named then. */
export interface SeenHead {
  readonly bytes: Uint8Array
  readonly pointer: Pointer
  readonly manifest: Manifest
}

/** Watches one workspace of a memory store. */
export class ProjectionWatch {
  /** Every pointer that was written since, the oldest first. */
  readonly heads: SeenHead[] = []
  readonly #store: MemoryStore
  readonly #prefix: string
  readonly #may_regress: boolean

  /** `may_regress`: a rebuild is told to go back behind the watermark. */
  constructor(store: MemoryStore, prefix: string, { may_regress = false } = {}) {
    this.#store = store
    this.#prefix = prefix
    this.#may_regress = may_regress
    if (store.peek(prefix + POINTER_PATH) !== null) this.heads.push(this.#seenHead())
  }

  /** The store of a process, watched. */
  readonly wrap = (store: Store): Store => ({
    ...store,
    put: async (path, bytes, precondition, options) => {
      const result = await store.put(path, bytes, precondition, options)
      if (path === POINTER_PATH && result.outcome === 'ok') this.#addHead()
      return result
    },
  })

  /** What was there before was damaged: nothing has to follow from it. */
  forget(): void {
    this.heads.length = 0
  }

  /** P1, P12, P19: what readers resolve now is all there, byte for byte. */
  checkReachable(): void {
    const { manifest } = this.#seenHead()
    const refs = layersOf(manifest).flatMap(({ tables, deletions }) => [
      ...tables.map(({ ref }) => ref),
      ...(deletions === null ? [] : [deletions]),
    ])
    for (const ref of refs) this.#checkArtifact(ref)
  }

  /** Every manifest from the visible one back to the first, along `previous_manifest_path`. */
  chain(): Manifest[] {
    const manifests: Manifest[] = []
    let path: string | null = this.#seenHead().pointer.manifest_path
    while (path !== null) {
      const manifest: Manifest = parseDocument(MANIFEST, path, this.#bytes(path, 'P2'))
      manifests.push(manifest)
      path = manifest.previous_manifest_path
    }
    return manifests
  }

  #addHead(): void {
    const before = this.heads.at(-1)
    const head = this.#seenHead()
    this.checkReachable()
    if (before !== undefined) this.#checkSuccession(before, head)
    this.heads.push(head)
  }

  #checkSuccession(before: SeenHead, { pointer, manifest }: SeenHead): void {
    const expect = (holds: boolean, what: string): void => {
      if (!holds) throw new BrokenPromise('P2', what)
    }
    const is_touch = pointer.manifest_path === before.pointer.manifest_path
    const order = compareBytes(before.pointer.manifest_id, pointer.manifest_id)
    expect(is_touch ? order === 0 : order < 0, 'the manifest id does not increase')
    expect(pointer.epoch >= before.pointer.epoch, 'the epoch decreases')
    expect(pointer.parent_pointer_hash === hashOf(before.bytes), 'the parent is not the pointer before')
    expect(
      is_touch || manifest.previous_manifest_path === before.pointer.manifest_path,
      'the manifest does not name the one before',
    )
    const [was, is] = [before, { manifest }].map((each) => each.manifest.watermarks.last_visible_event_id)
    const is_back = was !== null && was !== undefined && (is === null || compareBytes(is ?? '', was) < 0)
    if (is_back && !this.#may_regress) throw new BrokenPromise('P6', 'the watermark goes back')
  }

  #seenHead(): SeenHead {
    const bytes = this.#bytes(POINTER_PATH, 'P1')
    const pointer = parseDocument(POINTER, POINTER_PATH, bytes)
    const manifest = parseDocument(MANIFEST, pointer.manifest_path, this.#bytes(pointer.manifest_path, 'P1'))
    if (manifest.manifest_id !== pointer.manifest_id || manifest.epoch !== pointer.epoch) {
      throw new BrokenPromise('P1', 'pointer and manifest differ in id or epoch (manifests.md 18)')
    }
    const { last_visible_event_id, last_committed_event_id } = manifest.watermarks
    if (last_visible_event_id !== last_committed_event_id) throw new BrokenPromise('P6', 'visible, committed')
    return { bytes, pointer, manifest }
  }

  #checkArtifact(ref: ArtifactRef): void {
    if (typeof ref === 'string') {
      this.#bytes(ref, 'P1')
      return
    }
    const bytes = this.#bytes(ref.path, 'P1')
    if (bytes.length !== ref.byte_size || hashOf(bytes) !== ref.checksum_sha256) {
      throw new BrokenPromise('P1', `${ref.path} is not what its manifest says`)
    }
  }

  #bytes(path: string, rule: string): Uint8Array {
    const object = this.#store.peek(this.#prefix + path)
    if (object === null) throw new BrokenPromise(rule, `${path} does not exist`)
    return object.bytes
  }
}

function hashOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
