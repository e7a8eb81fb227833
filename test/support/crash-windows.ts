/**
 * Commits that stop half way (spec/coordinator.md 7.1): a process of ours that dies after a write, the same as Arco
 * would have left it, and processes that are held in front of a write while others go on.
 */
import { withFaults, type Fault, type FaultyCall } from '../../lib/store/faults.ts'
import { commitKeys, sha256Hex, START_MS, type TestService } from './service.ts'
import {
  logKey,
  requestHashOf,
  TTL_MS,
  type ProcessOptions,
  type Table,
  type Wrap,
  type Writer,
} from './tables.ts'

/** W0 before reserve, W1 reserved, W2 logged, W3 recorded, W4 finalized and the answer lost. */
export const WINDOWS = ['W0', 'W1', 'W2', 'W3', 'W4'] as const

/** Where a crash leaves a commit. */
export type Window = (typeof WINDOWS)[number]

/** Who left it: Tidemark with its additive members, or Arco with the bare ones (spec/coordinator.md 3). */
export const MAKERS = ['tidemark', 'arco'] as const

/** Whose process stopped. */
export type Maker = (typeof MAKERS)[number]

/** The four writes of a commit, in their order (spec/coordinator.md 1). */
export const WRITES = ['reserve', 'log', 'marker', 'finalize'] as const

/** One of the four writes. */
export type Write = (typeof WRITES)[number]

/** Nothing of the process reaches the bucket any more once it has put `puts` objects. */
export function dyingAfter(puts: number): Wrap {
  return (store) => {
    let done = 0
    return withFaults(store, ({ kind }) => {
      if (done >= puts) return { fault: 'lost_request' }
      if (kind === 'put') done += 1
      return undefined
    })
  }
}

/** The first `times` puts of one of the four writes meet a fault. */
export function faultAt(write: Write, fault: () => Fault, times = 1): Wrap {
  return (store) => {
    const faulty = withFaults(store, fault)
    let left = times
    return {
      ...store,
      async put(key, bytes, precondition, options) {
        if (left === 0 || writeOf(key, bytes) !== write) return store.put(key, bytes, precondition, options)
        left -= 1
        return faulty.put(key, bytes, precondition, options)
      },
    }
  }
}

/** Which of the four a put is; one that clears a reservation counts as finalize. */
export function writeOf(key: string, bytes: Uint8Array): Write | null {
  if (key.includes('/_delta_log/')) return 'log'
  if (key.includes('/delta/idempotency/')) return 'marker'
  if (!key.includes('/delta/coordinator/')) return null
  return JSON.parse(new TextDecoder().decode(bytes)).inflight === null ? 'finalize' : 'reserve'
}

/** Leave a writer's commit in a window, `n` being the table's latest version. */
export async function leaveIn(table: Table, window: Window, writer: Writer, maker: Maker): Promise<void> {
  if (maker === 'arco') return leaveAsArco(table, window, writer)
  const puts = WINDOWS.indexOf(window)
  if (puts === 0) return undefined
  const answer = await table.process({ wrap: dyingAfter(puts) }).commit(writer.call)
  const expected = window === 'W4' ? 200 : 503
  if (answer.status !== expected) throw new Error(`expected ${expected}, got ${JSON.stringify(answer.body)}`)
}

async function leaveAsArco(table: Table, window: Window, writer: Writer): Promise<void> {
  const { bucket, table_id, root } = table
  const { read_version: n, idempotency_key } = writer.call
  const v = n + 1
  const keys = commitKeys(table_id, idempotency_key, v)
  const reached = WINDOWS.indexOf(window)
  if (reached >= WINDOWS.indexOf('W2')) await bucket.write(logKey(root, v), writer.payload)
  if (reached >= WINDOWS.indexOf('W3'))
    await bucket.write(keys.marker, JSON.stringify(arcoMarker(table, writer)))
  const is_empty = window === 'W0' && n === -1
  if (is_empty) return
  const inflight = window === 'W0' || window === 'W4' ? null : arcoInflight(writer)
  await bucket.write(keys.state, JSON.stringify({ latest_version: window === 'W4' ? v : n, inflight }))
}

/** The marker as Arco writes it: six members. */
export function arcoMarker({ root }: Table, writer: Writer): Readonly<Record<string, string | number>> {
  const { idempotency_key, read_version } = writer.call
  return {
    idempotency_key,
    idempotency_key_hash: sha256Hex(idempotency_key),
    request_hash: requestHashOf(writer),
    version: read_version + 1,
    delta_log_path: logKey(root, read_version + 1),
    committed_at_ms: START_MS + 450,
  }
}

/** The reservation as Arco writes it: seven members. */
export function arcoInflight({ call }: Writer): Readonly<Record<string, string | number>> {
  return {
    commit_id: call.idempotency_key,
    read_version: call.read_version,
    version: call.read_version + 1,
    staged_path: call.staged_path,
    staged_version: call.staged_version,
    started_at_ms: START_MS,
    expires_at_ms: START_MS + TTL_MS,
  }
}

/** The reservation as Tidemark writes it. */
export function fullInflight(table: Table, writer: Writer): Readonly<Record<string, string | number>> {
  return {
    ...arcoInflight(writer),
    payload_sha256: sha256Hex(writer.payload),
    delta_log_path: logKey(table.root, writer.call.read_version + 1),
    nonce: '01JKTT0G00Z4N2V8R6W1X3Y5ZC',
  }
}

/** The marker as Tidemark writes it. */
export function fullMarker(table: Table, writer: Writer): Readonly<Record<string, string | number>> {
  const { read_version, staged_path, staged_version } = writer.call
  return {
    ...arcoMarker(table, writer),
    payload_sha256: sha256Hex(writer.payload),
    read_version,
    staged_path,
    staged_version,
  }
}

/** A process that stops in front of one of its store calls until it is told to go on. */
export interface HeldProcess {
  readonly service: TestService
  /** Resolves when the call is about to be made; it has not reached the bucket. */
  readonly reached: Promise<void>
  goOn(): void
}

/** Hold a process in front of one of its four writes. */
export function heldBefore(table: Table, write: Write, options: ProcessOptions = {}): HeldProcess {
  return held(table, options, (hold) => faultAt(write, hold))
}

/** Hold a process in front of its first put of one key. */
export function heldBeforePut(table: Table, key: string, options: ProcessOptions = {}): HeldProcess {
  return heldAt(table, options, (call) => call.kind === 'put' && call.key.endsWith(`/${key}`), 1)
}

/** Hold a process in front of its `nth` read of a key that contains `part`. */
export function heldBeforeRead(
  table: Table,
  part: string,
  nth: number,
  options: ProcessOptions = {},
): HeldProcess {
  return heldAt(table, options, ({ kind, key }) => kind === 'get' && key.includes(part), nth)
}

function heldAt(
  table: Table,
  options: ProcessOptions,
  is_meant: (call: FaultyCall) => boolean,
  nth: number,
): HeldProcess {
  let calls = 0
  return held(
    table,
    options,
    (hold) => (store) =>
      withFaults(store, (call) => {
        if (!is_meant(call)) return undefined
        calls += 1
        return calls === nth ? hold() : undefined
      }),
  )
}

function held(table: Table, options: ProcessOptions, wrapWith: (hold: () => Fault) => Wrap): HeldProcess {
  const reached = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const wrap = wrapWith(() => {
    reached.resolve()
    return { fault: 'latency', until: gate.promise }
  })
  return { service: table.process({ ...options, wrap }), reached: reached.promise, goOn: gate.resolve }
}
