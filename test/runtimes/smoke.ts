/**
 * The one list of steps that every runtime has to pass over the store that it would use in production: thin, because what
 * is behind `createApp` is tested elsewhere. Each step stands for itself, on a table of its own.
 */
import { expect } from 'vitest'
import { encodeEvent } from '../../lib/protocol/orchestration/events/encode.ts'
import { eventPath } from '../../lib/protocol/orchestration/paths.ts'
import { scopedStore } from '../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { dyingAfter, WINDOWS, type Window } from '../support/crash-windows.ts'
import { PRIVATE, SERVICE_TOKEN, userOf } from '../support/deployment.ts'
import { expectDescribed } from '../support/described.ts'
import { createText, readText } from '../support/objects.ts'
import { eventsAt, idAt } from '../support/projection-events.ts'
import { expectProblem } from '../support/problems.ts'
import {
  commitKeys,
  freshId,
  freshPayload,
  testService,
  type Answer,
  type CommitCall,
} from '../support/service.ts'

/** Tidemark on a runtime, and the bucket below it. */
export interface Runtime {
  /** Where requests are addressed to; without a slash at its end. */
  readonly base: string
  /** Send a request as the platform does. */
  ask(request: Request): Promise<Response>
  /** The bucket as an operator reaches it: not through the runtime. */
  readonly store: MaintenanceStore
  stop(): Promise<void>
}

const SCOPE = { tenant: 'acme', workspace: 'analytics' }
const { ARCO_STORAGE_BUCKET: _, ...AUTHENTICATED } = PRIVATE

/** What a runtime under test is configured with, besides its bucket: users by JWT, and a store that proves itself. */
export const SMOKE_ENV = { ...AUTHENTICATED, TIDEMARK_STORE_CERTIFIED: 'startup' } as const

/** One step. */
export interface Step {
  readonly name: string
  run(runtime: Runtime): Promise<void>
}

/** The steps, in the order in which somebody would try them. */
export const SMOKE: readonly Step[] = [
  {
    name: 'health: alive and ready, and nothing else without a token',
    async run(runtime) {
      const health = await ask(runtime, 'GET', '/health', { token: null })
      expect([health.status, health.body]).toEqual([200, { status: 'ok' }])
      const ready = await ask(runtime, 'GET', '/ready', { token: null })
      expect([ready.status, ready.body]).toEqual([200, { ready: true }])
      for (const { headers } of [health, ready]) {
        expect(headers.get('cache-control')).toBe('no-store')
        expect(headers.get('x-request-id')).toMatch(/^[0-9A-Z]{26}$/)
      }
      expectProblem(await ask(runtime, 'GET', '/', { token: null }), { reason: 'missing_auth' })
    },
  },
  {
    name: 'stage: the payload lies in the bucket byte for byte',
    async run(runtime) {
      const { call, payload } = await staged(runtime)
      expect(await readText(bucketOf(runtime), call.staged_path)).toBe(payload)
    },
  },
  {
    name: 'commit: log entry, marker and state are there when it answers',
    async run(runtime) {
      const { call, payload } = await staged(runtime)
      expect(told(await commit(runtime, call))).toEqual(committed(call))
      await expectCommitted(runtime, call, payload)
    },
  },
  {
    name: 'replay: the same answer, with the key in the body or in the header',
    async run(runtime) {
      const { call, payload } = await staged(runtime)
      const first = await commit(runtime, call)
      const again = await commit(runtime, call)
      const { idempotency_key, ...rest } = call
      const in_header = await commit(runtime, rest, { 'idempotency-key': idempotency_key })
      expect([first, again, in_header].map(told)).toEqual([committed(call), committed(call), committed(call)])
      expect([first, again].map(({ headers }) => headers.get('idempotent-replayed'))).toEqual([null, 'true'])
      await expectCommitted(runtime, call, payload)
    },
  },
  recovery('W1'),
  recovery('W2'),
  recovery('W3'),
  {
    name: 'inspect: says in which window a table stands, and changes nothing',
    async run(runtime) {
      const { call } = await crashed(runtime, 'W2')
      const { state } = commitKeys(call.table_id, call.idempotency_key, 0)
      const before = await readText(bucketOf(runtime), state)
      const answer = await ask(runtime, 'GET', `${tablePath(call.table_id)}/inspect`)
      expect(answer.status).toBe(200)
      expect(answer.body).toMatchObject({
        latest_version: -1,
        crash_window: 'W2',
        inflight: { commit_id: call.idempotency_key, version: 0, staged_path: call.staged_path },
      })
      expect(await readText(bucketOf(runtime), state)).toBe(before)
    },
  },
  {
    name: 'a problem: one body for a stale version, a bad request, another tenant and no route',
    async run(runtime) {
      const { call } = await staged(runtime)
      await commit(runtime, call)
      const stale = await commit(runtime, { ...call, idempotency_key: freshId() })
      expectProblem(stale, { reason: 'stale_read_version', detail: 'stale read_version: expected 0, got -1' })
      expect(stale.body.latest_version).toBe(0)
      expectProblem(await commit(runtime, { ...call, extra: 1 }), { reason: 'bad_request' })
      const rival = await ask(runtime, 'GET', `${tablePath(call.table_id)}/inspect`, {
        headers: { 'x-tenant-id': 'rival' },
      })
      expectProblem(rival, { reason: 'forbidden' })
      expectProblem(await ask(runtime, 'GET', '/nowhere'), { reason: 'route_not_found' })
      expectProblem(await ask(runtime, 'GET', tablePath(call.table_id) + '/commits'), {
        reason: 'method_not_allowed',
      })
    },
  },
  {
    name: 'compact and rebuild: one event by its path, the rest from a list, for services only',
    async run(runtime) {
      const bucket = bucketOf(runtime)
      const events = eventsAt(0, 3).map((event) => ({
        ...event,
        tenant_id: SCOPE.tenant,
        workspace_id: SCOPE.workspace,
      }))
      const paths = events.map(eventPath)
      const list = 'state/orchestration/rebuilds/smoke.json'
      for (const [path, text] of [
        ...events.map((event) => [eventPath(event), encodeEvent(event)] as const),
        [list, JSON.stringify({ event_paths: paths })] as const,
      ]) {
        await createText(bucket, path, text)
      }
      const as_service = { token: SERVICE_TOKEN }
      const body = { rebuild_manifest_path: list }
      expectProblem(await ask(runtime, 'POST', '/rebuild', { body }), { reason: 'invalid_token' })
      const compacted = await ask(runtime, 'POST', '/compact', {
        ...as_service,
        body: { event_paths: paths.slice(0, 1) },
      })
      expect(compacted.body).toMatchObject({ events_processed: 1, watermark_after: idAt(0) })
      const rebuilt = await ask(runtime, 'POST', '/rebuild', { ...as_service, body })
      expect(rebuilt.body).toMatchObject({ events_processed: 2, remaining: 0, watermark_after: idAt(2) })
      const standing = await ask(runtime, 'GET', '/rebuilds/smoke', as_service)
      expect(standing.body).toMatchObject({ remaining: 0, lock: null, damage: null })
      const pointer = JSON.parse(await readText(bucket, 'state/orchestration/manifest.pointer.json'))
      expect(pointer).toMatchObject({ manifest_id: rebuilt.body.manifest_id })
    },
  },
]

/** A crash in this window, finished by the commit's own replay and, on another table, by recover. */
function recovery(window: 'W1' | 'W2' | 'W3'): Step {
  return {
    name: `${window}: a replay finishes what a crash left there, and so does recover`,
    async run(runtime) {
      const replayed = await crashed(runtime, window)
      expect(told(await commit(runtime, replayed.call))).toEqual(committed(replayed.call))
      await expectCommitted(runtime, replayed.call, replayed.payload)

      const recovered = await crashed(runtime, window)
      const { table_id } = recovered.call
      const answer = await ask(runtime, 'POST', `${tablePath(table_id)}/recover`, { body: {} })
      expect(told(answer)).toEqual([
        200,
        { latest_version: 0, inflight: null, action: window === 'W3' ? 'finalized' : 'rolled_forward' },
      ])
      await expectCommitted(runtime, recovered.call, recovered.payload)
    },
  }
}

interface Staged {
  readonly call: CommitCall
  readonly payload: string
}

interface Question {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Null sends none; a user of the tenant unless told. */
  readonly token?: string | null
}

function tablePath(table_id: string): string {
  return `/api/v1/delta/tables/${table_id}`
}

async function ask(runtime: Runtime, method: string, path: string, question: Question = {}): Promise<Answer> {
  const { body, headers = {}, token = await userOf(SCOPE.tenant) } = question
  const response = await runtime.ask(
    new Request(`${runtime.base}${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  )
  const text = await response.text()
  const answer = { status: response.status, headers: ownHeaders(response.headers), body: JSON.parse(text) }
  expectDescribed({ method, path, ...answer })
  return answer
}

/** Headers that a server or a proxy adds to every answer. */
const TRANSPORT = [
  'connection',
  'content-encoding',
  'content-length',
  'date',
  'keep-alive',
  'transfer-encoding',
  'vary',
]

function ownHeaders(all: Headers): Headers {
  return new Headers([...all].filter(([name]) => !TRANSPORT.includes(name)))
}

async function staged(runtime: Runtime): Promise<Staged> {
  const table_id = freshId()
  const payload = freshPayload()
  const answer = await ask(runtime, 'POST', `${tablePath(table_id)}/commits/stage`, { body: { payload } })
  if (answer.status !== 200) throw new Error(`stage: ${answer.status} ${JSON.stringify(answer.body)}`)
  const call = { table_id, read_version: -1, ...answer.body, idempotency_key: freshId() }
  return { call, payload }
}

async function commit(
  runtime: Runtime,
  { table_id, ...body }: Partial<CommitCall> & Pick<CommitCall, 'table_id'> & { readonly extra?: number },
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return ask(runtime, 'POST', `${tablePath(table_id)}/commits`, { body, headers })
}

/** What a process that dies after the first, second or third write of a commit leaves in the bucket of the runtime. */
async function crashed(runtime: Runtime, window: Window): Promise<Staged> {
  const { call, payload } = await staged(runtime)
  const dying = testService(dyingAfter(WINDOWS.indexOf(window))(runtime.store), { scope: SCOPE })
  const answer = await dying.commit(call)
  if (answer.status !== 503) throw new Error(`it did not die: ${JSON.stringify(answer.body)}`)
  return { call, payload }
}

function bucketOf({ store }: Runtime): ReturnType<typeof scopedStore> {
  return scopedStore(store, SCOPE)
}

function told({ status, body }: Answer): unknown {
  return [status, body]
}

function committed({ table_id, idempotency_key }: CommitCall): unknown {
  return [200, { version: 0, delta_log_path: commitKeys(table_id, idempotency_key, 0).log }]
}

/** The bucket holds exactly this commit of the table, finished. */
async function expectCommitted(runtime: Runtime, call: CommitCall, payload: string): Promise<void> {
  const keys = commitKeys(call.table_id, call.idempotency_key, 0)
  const bucket = bucketOf(runtime)
  expect(await readText(bucket, keys.log)).toBe(payload)
  expect(JSON.parse(await readText(bucket, keys.marker))).toMatchObject({
    idempotency_key: call.idempotency_key,
    version: 0,
  })
  expect(JSON.parse(await readText(bucket, keys.state))).toMatchObject({ latest_version: 0, inflight: null })
}
