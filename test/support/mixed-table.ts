/**
 * One table that old and new processes share (F15): Arco's coordinator, modelled in `arco-writer.ts`, and Tidemark,
 * with the switches of spec/coordinator.md 15.
 */
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts'
import { scopedStore } from '../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import {
  readArcoMarker,
  readArcoState,
  rewrittenByArco,
  type ArcoRequest,
  type ArcoState,
} from './arco-documents.ts'
import { ArcoError, arcoWriter } from './arco-writer.ts'
import { commitKeys, freshId, freshPayload, testClock, testService, type TestClock } from './service.ts'

/** Who serves a request: the reference's library, its HTTP handler, or Tidemark's. */
export const PROCESSES = ['arco library', 'arco http', 'tidemark'] as const

/** One of them. */
export type Process = (typeof PROCESSES)[number]

/** What a commit came to, in words that both have; a refusal that only one of them knows keeps its text. */
export type MixedAnswer = { readonly version: number } | { readonly refused: string }

/** A request with the bytes that it staged. */
export interface StagedRequest extends ArcoRequest {
  readonly payload: string
}

/** How a request is served, other than at once and by everybody's clock. */
export interface Serving {
  /** What is between this process and the bucket. */
  wrap?(store: MaintenanceStore): MaintenanceStore
  /** How far the process's clock is ahead. */
  readonly ahead_ms?: number
}

/** A table in a bucket of its own. */
export interface MixedTable {
  readonly table_id: string
  readonly store: MemoryStore
  readonly clock: TestClock
  /** Stage a payload, a fresh one unless told, and mint a key. */
  request(read_version: number, payload?: string): Promise<StagedRequest>
  commit(process: Process, request: ArcoRequest, serving?: Serving): Promise<MixedAnswer>
  /** A reference process reads the state and writes it back: the additive members are gone (R23). */
  rewriteByArco(): void
  /** The staged object of a request is deleted, as a cleanup that came too early would do. */
  removeStaged(request: ArcoRequest): void
  /** Full key of the state. */
  readonly state_key: string
  /** Full key of the marker of a request. */
  markerKey(request: ArcoRequest): string
  /** The stored state as Arco reads it; null when there is none. */
  state(): ArcoState | null
  /** The text of an object by full key; null when there is none. */
  text(key: string): string | null
  /** The log entry of a version as text; null when there is none. */
  logText(version: number): string | null
  /** Throws unless Arco can read every state and marker in the bucket. */
  readAllAsArco(): void
}

/** An empty table. `content` tokens repeat with the bytes, as ETags do; `counter` tokens never do. */
export function mixedTable(tokens: 'content' | 'counter'): MixedTable {
  const table_id = freshId()
  const store = memoryStore({ tokens, token_format: 'reference' })
  const clock = testClock()
  const service = testService(store, { clock })
  const { prefix, scope } = service
  const keysOf = (key: string, version: number): ReturnType<typeof commitKeys> => {
    const { state, marker, log } = commitKeys(table_id, key, version)
    return { state: prefix + state, marker: prefix + marker, log: prefix + log }
  }
  const state_key = keysOf('', 0).state

  function text(key: string): string | null {
    const object = store.peek(key)
    return object === null ? null : new TextDecoder().decode(object.bytes)
  }

  return {
    table_id,
    store,
    clock,
    state_key,
    text,
    async request(read_version, payload = freshPayload()) {
      const staged = await service.stage(table_id, payload)
      return { read_version, idempotency_key: freshId(), payload, ...staged }
    },
    async commit(process, request, { wrap, ahead_ms = 0 } = {}) {
      const { idempotency_key, read_version, staged_path, staged_version } = request
      const bare = { idempotency_key, read_version, staged_path, staged_version }
      const over = wrap?.(store) ?? store
      if (process !== 'tidemark') {
        const old = arcoWriter(scopedStore(over, scope), { table_id, root: `tables/${table_id}` })
        const call = process === 'arco http' ? old.commitStaged : old.commit
        return asArco(async () => call(bare, clock.now_ms + ahead_ms))
      }
      const is_plain = wrap === undefined && ahead_ms === 0
      const own = is_plain ? service : testService(over, { clock: testClock(clock.now_ms + ahead_ms) })
      const { status, body } = await own.commit({ table_id, ...bare })
      return status === 200 ? { version: body.version } : refusal(body.detail)
    },
    rewriteByArco() {
      const object = store.peek(state_key)
      if (object !== null) store.seed(state_key, rewrittenByArco(object.bytes))
    },
    removeStaged: ({ staged_path }) => store.remove(prefix + staged_path),
    markerKey: ({ idempotency_key }) => keysOf(idempotency_key, 0).marker,
    state() {
      const object = store.peek(state_key)
      return object === null ? null : readArcoState(object.bytes)
    },
    logText: (version) => text(keysOf('', version).log),
    readAllAsArco() {
      for (const [key, bytes] of store.dump()) {
        if (key.includes('/delta/coordinator/')) readArcoState(bytes)
        if (key.includes('/delta/idempotency/')) readArcoMarker(bytes)
      }
    },
  }
}

async function asArco(call: () => Promise<{ readonly version: number }>): Promise<MixedAnswer> {
  try {
    const { version } = await call()
    return { version }
  } catch (error) {
    if (error instanceof ArcoError) return refusal(error.message.replace(/^[a-z ]+: /, ''))
    throw error
  }
}

function refusal(text: string): MixedAnswer {
  if (text === 'delta commit already reserved; retry later') return { refused: 'reserved' }
  return { refused: text.startsWith('stale read_version: ') ? 'stale' : text }
}
