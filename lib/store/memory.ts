/** The store in a Map: for tests and for trying things out. Counter tokens, or content-derived ones to study ABA. */
import { withFaults, type FaultPlan } from './faults.ts'
import { checkKey, checkListRequest, compareKeys, isUnderPrefix } from './keys.ts'
import { formatToken, sameVersion, type TokenFormat } from './tokens.ts'
import {
  StoreError,
  type ListedObject,
  type MaintenanceStore,
  type Meta,
  type Precondition,
  type StoredObject,
  type Token,
} from './types.ts'

/** How a memory store behaves; everything is optional. */
export interface MemoryOptions {
  /** Keep user metadata (capability `meta`). Default false. */
  readonly meta?: boolean
  /** `counter` (default) or `content`: equal bytes give equal tokens, as ETags do. */
  readonly tokens?: 'counter' | 'content'
  readonly token_format?: TokenFormat
  /** Epoch ms of the store's own clock. Without it the store says no times. */
  readonly clock?: () => number
  readonly faults?: FaultPlan
}

/** A memory store with doors for tests: put an object in with any token, take one out, look at all. */
export interface MemoryStore extends MaintenanceStore {
  seed(key: string, bytes: Uint8Array, token?: Token, details?: SeedDetails): void
  remove(key: string): void
  /** The object as it is now, without a request. */
  peek(key: string): StoredObject | null
  /** All objects, sorted by key. */
  dump(): Map<string, Uint8Array>
}

/** What else a seeded object has. */
export interface SeedDetails {
  readonly last_modified_ms?: number
  readonly meta?: Meta
}

/** Tokens are process-wide monotonic and start at 1 (spec/storage.md 5.2). */
let last_token = 0

/** Make an empty store. Every operation yields before and after its effect, so that races can be expressed. */
export function memoryStore(options: MemoryOptions = {}): MemoryStore {
  const objects = new Map<string, StoredObject>()

  function nextToken(bytes: Uint8Array): Token {
    if (options.tokens === 'content') {
      return formatToken({ e_tag: `"${contentTag(bytes)}"`, version: null }, options.token_format ?? 'plain')
    }
    last_token += 1
    return formatToken({ e_tag: null, version: String(last_token) }, options.token_format ?? 'plain')
  }

  function write(key: string, bytes: Uint8Array, token: Token, details: SeedDetails = {}): void {
    const written_ms = details.last_modified_ms ?? options.clock?.()
    objects.set(key, {
      outcome: 'ok',
      bytes: bytes.slice(),
      token,
      ...(written_ms === undefined ? {} : { last_modified_ms: written_ms }),
      ...(details.meta === undefined ? {} : { meta: details.meta }),
    })
  }

  function snapshot(object: StoredObject): StoredObject {
    const now_ms = options.clock?.()
    return {
      ...object,
      bytes: object.bytes.slice(),
      ...(now_ms === undefined ? {} : { server_date_ms: now_ms }),
    }
  }

  const plain: MaintenanceStore = {
    capabilities: { driver: 'memory', meta: options.meta ?? false, conditional_delete: true },
    async get(key, { signal, bytes_max } = {}) {
      checkKey(key)
      await yieldOnce(key, signal)
      const object = objects.get(key)
      if (object === undefined) return { outcome: 'not_found' }
      if (bytes_max !== undefined && object.bytes.length > bytes_max) {
        throw new StoreError('too_large', key, `expected at most ${bytes_max} bytes`)
      }
      const seen = snapshot(object)
      await yieldOnce(key, signal)
      return seen
    },
    async head(key, { signal } = {}) {
      checkKey(key)
      await yieldOnce(key, signal)
      const object = objects.get(key)
      if (object === undefined) return { outcome: 'not_found' }
      const { token, bytes, last_modified_ms } = object
      const size = bytes.length
      await yieldOnce(key, signal)
      return { outcome: 'ok', token, size, ...(last_modified_ms === undefined ? {} : { last_modified_ms }) }
    },
    async put(key, bytes, precondition, { signal, meta } = {}) {
      checkKey(key)
      await Promise.resolve()
      // Aborted before the effect or after it: the caller cannot tell, as with a real store (ST-33).
      if (isAborted(signal)) return { outcome: 'unknown' }
      if (!holds(objects.get(key), precondition)) return { outcome: 'precondition_failed' }
      const token = nextToken(bytes)
      write(key, bytes, token, options.meta === true && meta !== undefined ? { meta } : {})
      await Promise.resolve()
      return isAborted(signal) ? { outcome: 'unknown' } : { outcome: 'ok', token }
    },
    async delete(key, { signal, token } = {}) {
      checkKey(key)
      await yieldOnce(key, signal)
      const object = objects.get(key)
      if (object !== undefined && token !== undefined && !sameVersion(object.token, token)) {
        return { outcome: 'precondition_failed' }
      }
      objects.delete(key)
      await yieldOnce(key, signal)
      return { outcome: 'ok' }
    },
    async listPage(request, { signal } = {}) {
      checkListRequest(request)
      await yieldOnce(request.prefix, signal)
      const { prefix, start_after, limit } = request
      const keys = [...objects.keys()]
        .filter((key) => isUnderPrefix(key, prefix))
        .filter((key) => start_after === undefined || compareKeys(key, start_after) > 0)
        .toSorted(compareKeys)
        .slice(0, limit)
      const listed = keys.flatMap((key): ListedObject[] => {
        const object = objects.get(key)
        if (object === undefined) return []
        const { token, bytes, last_modified_ms } = object
        return [
          { key, token, size: bytes.length, ...(last_modified_ms === undefined ? {} : { last_modified_ms }) },
        ]
      })
      await yieldOnce(prefix, signal)
      const last = keys.at(-1)
      return keys.length === limit && last !== undefined
        ? { objects: listed, next_start_after: last }
        : { objects: listed }
    },
  }

  return {
    ...(options.faults === undefined ? plain : withFaults(plain, options.faults)),
    seed(key, bytes, token, details) {
      write(key, bytes, token ?? nextToken(bytes), details)
    },
    remove(key) {
      objects.delete(key)
    },
    peek(key) {
      const object = objects.get(key)
      return object === undefined ? null : snapshot(object)
    },
    dump() {
      const keys = [...objects.keys()].toSorted(compareKeys)
      return new Map(keys.map((key) => [key, objects.get(key)?.bytes.slice() ?? new Uint8Array()]))
    },
  }
}

function holds(object: StoredObject | undefined, precondition: Precondition): boolean {
  if (precondition === 'none') return true
  if (precondition === 'doesNotExist') return object === undefined
  return object !== undefined && sameVersion(object.token, precondition.matchesVersion)
}

/** An ETag for tests: equal bytes give equal tags (FNV-1a over two lanes; no security is claimed). */
function contentTag(bytes: Uint8Array): string {
  let low = 0x811c9dc5
  let high = 0x01000193
  for (const byte of bytes) {
    low = Math.imul(low ^ byte, 0x01000193) >>> 0
    high = Math.imul(high ^ byte ^ (low & 0xff), 0x85ebca6b) >>> 0
  }
  return `${low.toString(16).padStart(8, '0')}${high.toString(16).padStart(8, '0')}x${bytes.length}`
}

async function yieldOnce(key: string, signal: AbortSignal | undefined): Promise<void> {
  await Promise.resolve()
  if (isAborted(signal)) throw new StoreError('unavailable', key, 'the call was aborted')
}

/** A call, not an expression: the signal can fire between two looks at it. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}
