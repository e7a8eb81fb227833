/**
 * Requests that must be refused before any storage access, as data: each row says what is wrong and how it is answered,
 * and every row is held to the whole problem body, an unchanged bucket and no store call at all.
 */
import { beforeAll, expect, test } from 'vitest'
import { memoryStore } from '../../lib/store/memory.ts'
import { expectDescribed } from './described.ts'
import { expectProblem } from './problems.ts'
import { freshId, testService, type TestService } from './service.ts'
import { countRounds, forbidListing } from './stores.ts'

/** The table that every row is about, unless its path says otherwise. */
export const TABLE = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'

/** A key that no row uses twice: nothing is ever committed with it. */
export const KEY = '0194f5a0-2000-7abc-8def-0123456789ab'

/** A staged path that passes every check. */
export const STAGED = `delta/staging/${TABLE}/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json`

/** The four routes of a table. */
export const ROUTES = {
  stage: `/api/v1/delta/tables/${TABLE}/commits/stage`,
  commit: `/api/v1/delta/tables/${TABLE}/commits`,
  recover: `/api/v1/delta/tables/${TABLE}/recover`,
  inspect: `/api/v1/delta/tables/${TABLE}/inspect`,
} as const

/** Members of a commit that would be accepted; a row spoils one of them. */
export const COMMIT = { read_version: 0, staged_path: STAGED, staged_version: '1', idempotency_key: KEY }

/** Headers in the order in which they are sent. */
export type HeaderList = readonly (readonly [name: string, value: string])[]

/** One bad request. What it leaves out is that of a commit which would be accepted. */
export interface BadRequest {
  /** What is wrong. Rules of the specifications are cited by id. */
  readonly name: string
  readonly method?: string
  readonly path?: string
  /** Instead of `Content-Type: application/json`. */
  readonly headers?: HeaderList
  readonly body?: string | Uint8Array<ArrayBuffer> | null
  /** `400 bad_request` */
  readonly answer: string
  /** The text where the specification fixes it, or what it must say. */
  readonly detail?: string | RegExp
}

/** A commit with some members replaced, as text; undefined takes a member out. */
export function commitBody(members: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...COMMIT, ...members })
}

/** A commit whose `read_version` is this literal. */
export function commitAt(read_version: string): string {
  return `{"read_version":${read_version},"staged_path":"${STAGED}","staged_version":"1","idempotency_key":"${KEY}"}`
}

/** A stage request with this body. */
export function stageOf(body: string): Pick<BadRequest, 'path' | 'body'> {
  return { path: ROUTES.stage, body }
}

/** A recover request with this body. */
export function recoverOf(body: string): Pick<BadRequest, 'path' | 'body'> {
  return { path: ROUTES.recover, body }
}

const JSON_TYPE = [['content-type', 'application/json']] as const

/** What a row is sent to. */
export interface Bench {
  readonly service: TestService
  /** Store calls since the last `reset`. */
  readonly operations: readonly unknown[]
  send(request: BadRequest): Promise<Response>
  /** Keys, bytes and tokens of the whole bucket. */
  bucket(): readonly unknown[]
  reset(): void
}

/** A service over a bucket that already holds a committed version, somebody else's table and staged payloads. */
export async function badRequestBench(): Promise<Bench> {
  const store = memoryStore()
  await seed(testService(store), TABLE)
  await seed(testService(store, { scope: { tenant: 'rival', workspace: 'analytics' } }), freshId())
  const counting = countRounds(forbidListing(store).store)
  const service = testService(counting.store, { maintenance_store: store })
  return {
    service,
    operations: counting.operations,
    send: async (request) => service.app.fetch(toRequest(request)),
    bucket: () => [...store.dump().keys()].map((key) => [key, store.peek(key)]),
    reset: () => counting.reset(),
  }
}

function toRequest(row: BadRequest): Request {
  const { method = 'POST', path = ROUTES.commit, headers = JSON_TYPE, body = commitBody({}) } = row
  const has_body = method !== 'GET' && method !== 'HEAD' && body !== null
  return new Request(`http://tidemark.test${path}`, {
    method,
    headers: headers.map(([name, value]) => [name, value]),
    ...(has_body ? { body } : {}),
  })
}

async function seed(service: TestService, table_id: string): Promise<void> {
  const staged = await service.stage(table_id)
  const answer = await service.commit({ table_id, read_version: -1, ...staged, idempotency_key: freshId() })
  expect(answer.status).toBe(200)
  await service.stage(table_id)
}

/** One test a row. */
export function refusesEach(rows: readonly BadRequest[]): void {
  let bench: Bench
  beforeAll(async () => {
    bench = await badRequestBench()
  })
  test.each(rows)('$name → $answer', async (row) => {
    const before = bench.bucket()
    const builtins = builtinMembers()
    bench.reset()
    const response = await bench.send(row)
    const reason = row.answer.slice(4)
    expect(row.answer).toBe(`${response.status} ${reason}`)
    const { status, headers } = response
    const { detail } = row
    const body: unknown = row.method === 'HEAD' ? null : await response.json()
    expectDescribed({ method: row.method ?? 'POST', path: row.path ?? ROUTES.commit, status, headers, body })
    if (body !== null) {
      expectProblem({ status, headers, body }, detail === undefined ? { reason } : { reason, detail })
    }
    expect(bench.operations).toEqual([])
    expect(bench.bucket()).toEqual(before)
    expect(builtinMembers()).toEqual(builtins)
  })
}

/** S15: what a body could have left on the prototypes that everything inherits from. */
function builtinMembers(): readonly PropertyKey[] {
  return [Object.prototype, Array.prototype, Function.prototype].flatMap((each) => Reflect.ownKeys(each))
}
