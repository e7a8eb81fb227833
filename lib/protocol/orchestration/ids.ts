/** Ids that are derived from other ids, and what is read back from one (spec/events.md 7, spec/fold.md 4.10 and 8.1). */
import { hmacSha256, sha256Bytes, sha256Hex } from '../sha256.ts'
import type { TimerType } from './tables/values.ts'

/** Derives the id that a run key stands for, under the secret of its tenant. */
export type RunIdFor = (tenant_id: string, workspace_id: string, run_key: string) => string

/** What a timer id says about its timer. */
export interface ParsedTimerId {
  readonly timer_type: TimerType
  readonly run_id: string | null
  readonly task_key: string | null
  readonly attempt: number | null
  /** Seconds since 1970, any 64-bit integer: maybe no representable instant. */
  readonly epoch_s: bigint
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'

const TIMER_TYPES: ReadonlyMap<string, TimerType> = new Map([
  ['retry', 'RETRY'],
  ['heartbeat', 'HEARTBEAT_CHECK'],
  ['cron', 'CRON'],
  ['sla', 'SLA_CHECK'],
])

const I64_MIN = -(2n ** 63n)
const I64_MAX = 2n ** 63n - 1n

/**
 * Run ids under one tenant's secret, which may be empty (fold.md 8.1). The parts are joined without escaping, so that
 * `a:b`, `c` and `a`, `b:c` are the same run: the reference does so, and its rows refer to these ids.
 */
export function runIdsUnder(tenant_secret: Uint8Array): RunIdFor {
  const hmac = hmacSha256(tenant_secret)
  const encoder = new TextEncoder()
  return (tenant_id, workspace_id, run_key) => {
    const mac = hmac(encoder.encode(`${tenant_id}:${workspace_id}:${run_key}`))
    return `run_${base32(mac.subarray(0, 16))}`
  }
}

/** Id under which an attempt's dispatch is looked for when it starts. A writer may have used another one. */
export function dispatchId(run_id: string, task_key: string, attempt: number): string {
  return `dispatch:${run_id}:${task_key}:${attempt}`
}

/** Name that a task queue knows a dispatch or a timer by: no character of our ids in it that a queue refuses. */
export function cloudTaskId(prefix: 'd' | 't', internal_id: string): string {
  const digest = sha256Bytes(new TextEncoder().encode(internal_id))
  return `${prefix}_${base32(digest).slice(0, 26)}`
}

/** Concurrency token that writers give the attempt of a dispatch. */
export function attemptId(dispatch_id: string): string {
  return `att_${sha256Hex(`attempt:${dispatch_id}`).slice(0, 24)}`
}

/**
 * What a timer id says, or null when it is none (fold.md 4.10). The epoch is the last part, wherever that is, and a
 * task key with a colon in it makes the id unreadable.
 */
export function parseTimerId(id: string): ParsedTimerId | null {
  const parts = id.split(':')
  const timer_type = parts[0] === 'timer' ? TIMER_TYPES.get(parts[1] ?? '') : undefined
  const epoch_s = parseEpoch(parts.at(-1) ?? '')
  if (timer_type === undefined || epoch_s === null) return null
  if (timer_type === 'CRON') return { timer_type, run_id: null, task_key: null, attempt: null, epoch_s }
  const [, , run_id, task_key, attempt_text] = parts
  const attempt = parseAttempt(attempt_text ?? '')
  if (run_id === undefined || task_key === undefined || attempt === null) return null
  return { timer_type, run_id, task_key, attempt, epoch_s }
}

function parseEpoch(text: string): bigint | null {
  if (!/^[+-]?[0-9]+$/.test(text)) return null
  // Digits beyond those of any 64-bit integer are not worth a bigint of their length.
  const significant = text.replace(/^([+-]?)0+(?=[0-9])/, '$1')
  if (significant.length > 20) return null
  const epoch_s = BigInt(significant.replace('+', ''))
  return epoch_s < I64_MIN || epoch_s > I64_MAX ? null : epoch_s
}

function parseAttempt(text: string): number | null {
  if (!/^\+?[0-9]+$/.test(text)) return null
  const attempt = Number(text)
  return attempt <= 0xffff_ffff ? attempt : null
}

/** RFC 4648 without padding, in lower case. */
function base32(bytes: Uint8Array): string {
  let bits = 0
  let pending = 0
  let text = ''
  for (const byte of bytes) {
    pending = (pending << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += BASE32[(pending >>> bits) & 31] ?? ''
    }
    pending &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + (BASE32[(pending << (5 - bits)) & 31] ?? '')
}
