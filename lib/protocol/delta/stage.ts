/** Stage: store a payload under a fresh name, so that any process can commit it later (spec/coordinator.md 5). */
import { readable, ulid, type Protocol } from '../effects.ts'
import { stagedPath } from '../paths.ts'
import { checkPayload } from './payload.ts'
import { PAYLOAD_BYTES_MAX, RESENDS_MAX } from './limits.ts'
import type { Finding, StageResult } from './outcomes.ts'
import { beginRoot, keepRoot, needRoot } from './root.ts'
import type { DeltaSettings } from './settings.ts'
import {
  backOff,
  beginWork,
  Exhausted,
  getOp,
  issue,
  putOne,
  refusalOf,
  unavailable,
  type Work,
} from './work.ts'

/** Bytes to stage, as the client's text. */
export interface StageRequest {
  readonly table_id: string
  readonly payload: string
}

/** Names tried before a collision is `contention` (SG-2). */
const NAMES_MAX = 2

/** Stage one payload. The bytes stored are exactly the UTF-8 encoding of the text (SG-4). */
export function* stage({ table_id, payload }: StageRequest, settings: DeltaSettings): Protocol<StageResult> {
  const findings = refusedFindings(payload, settings.validation)
  if (findings.length > 0) return { ok: false, reason: 'payload_invalid', findings }
  const work = yield* beginWork(table_id, settings, { meta: false })
  try {
    return yield* stageWithin(work, new TextEncoder().encode(payload))
  } catch (error) {
    const refusal = refusalOf(work, error, 'staging path already exists; retry')
    // An object that was stored without an answer has a name that nobody knows: nothing that matters was written
    // (spec/http-api.md 4.1), and staging again is right.
    return refusal.reason === 'outcome_unknown' ? unavailable() : refusal
  }
}

function refusedFindings(payload: string, validation: DeltaSettings['validation']): readonly Finding[] {
  if (validation === 'strict') {
    const check = checkPayload(payload)
    return check.refused ? check.findings : []
  }
  // Opaque mode accepts what the reference accepts, except what cannot be stored byte for byte.
  if (payload === '')
    return [
      { rule: 'DL-210', severity: 'error', detail: 'expected at least one action, got an empty payload' },
    ]
  return payload.isWellFormed()
    ? []
    : [
        {
          rule: 'DL-201',
          severity: 'error',
          detail: 'expected text that UTF-8 can encode, got a lone surrogate',
        },
      ]
}

function* stageWithin(work: Work, bytes: Uint8Array): Protocol<StageResult> {
  const { root, op } = yield* beginRoot(work)
  if (op !== undefined) keepRoot(root, (yield* issue(work, { resolution: op })).resolution)
  const resolution = yield* needRoot(work, root)
  if (!resolution.ok) return resolution
  for (let names = 1; names <= NAMES_MAX; names++) {
    const path = stagedPath(work.table_id, yield* ulid())
    const token = yield* putStaged(work, path, bytes)
    if (token !== null) return { ok: true, staged_path: path, staged_version: token }
  }
  const detail = 'staging path already exists; retry'
  return { ok: false, reason: 'contention', detail, retry_after_ms: 1000 }
}

/** The token, or null when the name was taken by other bytes. */
function* putStaged(work: Work, path: string, bytes: Uint8Array): Protocol<string | null> {
  for (let sent = 1; ; sent++) {
    const result = yield* putOne(work, { path, bytes, precondition: 'doesNotExist' })
    if (result.outcome === 'ok') return result.token
    if (result.outcome === 'precondition_failed' && sent === 1) return null
    if (result.outcome === 'no_effect') yield* backOff(work, result)
    // SG-3: the response was lost, or this is our own earlier attempt: the name is ours if the bytes are.
    const { object } = yield* issue(work, { object: getOp(path, PAYLOAD_BYTES_MAX) })
    const stored = readable(object)
    if (stored.outcome === 'ok') return sameBytes(stored.bytes, bytes) ? stored.token : null
    if (sent > RESENDS_MAX) throw new Exhausted(result.outcome === 'no_effect' ? 'attempts' : 'resends')
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
