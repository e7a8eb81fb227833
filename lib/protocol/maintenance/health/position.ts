/**
 * Where the next run of the health check goes on: one small object, so that a scheduler need remember nothing. It is replaced by
 * CAS, and losing that race is harmless: the winner's run is as good, and a place that was not kept is looked at twice. It
 * lies below `locks/`, where every role may replace objects (spec/storage.md 11); nobody waits for it.
 */
import * as z from 'zod'
import { StoreError, type Token } from '../../../store/types.ts'
import { get, now, put, type Protocol } from '../../effects.ts'
import { parseJson, stringifyJson, type JsonValue } from '../../json.ts'
import type { Finding } from '../finding.ts'
import { isPlace } from './tables.ts'

/** The key, relative to the workspace. */
export const POSITION_PATH = 'locks/health-check.cursor.json'

/** Read limit: a place, and findings of a few runs. */
const BYTES_MAX = 1024 * 1024

/** Findings that wait for a webhook that does not answer; the oldest are kept, the log has all of them. */
export const UNDELIVERED_MAX = 100

const Kept = z.object({
  rule: z.string(),
  severity: z.enum(['error', 'warn', 'info']),
  path: z.string().exactOptional(),
  version: z.int().exactOptional(),
  detail: z.string(),
  means: z.string(),
  next: z.string(),
})

const Document = z.object({
  after: z.string().refine(isPlace).nullable(),
  undelivered: z.array(Kept).max(UNDELIVERED_MAX).default([]),
})

/** The place as one run found it. */
export interface Position {
  /** Keys of states up to this one were looked at; null at the beginning of a round. */
  readonly after: string | null
  /** Findings that the webhook was not told yet. */
  readonly undelivered: readonly Finding[]
  /** Generation of the object; null when there is none. */
  readonly token: Token | null
}

/** What a run leaves for the next one. */
export type NextPosition = Omit<Position, 'token'>

/** Read the place; one that cannot be told is the beginning, and is written over. */
export function* readPosition(): Protocol<Position> {
  const beginning = { after: null, undelivered: [], token: null }
  const stored = yield* get(POSITION_PATH, BYTES_MAX)
  if (stored.outcome === 'not_found') return beginning
  const { token, bytes } = stored
  const document = parsed(bytes)
  if (document === null) return { ...beginning, token }
  return { after: document.after, undelivered: document.undelivered, token }
}

function parsed(bytes: Uint8Array): z.infer<typeof Document> | null {
  try {
    return Document.safeParse(parseJson(bytes)).data ?? null
  } catch {
    return null
  }
}

/** Keep the place for the next run; false when another run was faster, or the store did not take it. Never fails. */
export function* keepPosition(seen: Position, { after, undelivered }: NextPosition): Protocol<boolean> {
  const { now_ms } = yield* now()
  const document = {
    after,
    updated_at_ms: now_ms,
    undelivered: undelivered.slice(0, UNDELIVERED_MAX),
  } as unknown as JsonValue
  try {
    const { outcome } = yield* put({
      path: POSITION_PATH,
      bytes: new TextEncoder().encode(stringifyJson(document)),
      precondition: seen.token === null ? 'doesNotExist' : { matchesVersion: seen.token },
    })
    return outcome === 'ok'
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    return false
  }
}
