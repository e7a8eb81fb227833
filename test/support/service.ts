/** The HTTP surface over a store of one's own: no sockets, no waiting, a clock that moves only when told. */
import { createHash } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { singleScope } from '../../functions/auth/user.ts'
import { createApp, type App, type AppDeps } from '../../functions/app.ts'
import { DEFAULT_COMPACTOR_SETTINGS, type CompactorSettings } from '../../functions/compactor-settings.ts'
import type { EnvironmentOverrides } from '../../functions/environment.ts'
import { SILENT_LOG, type AppLog } from '../../functions/logging.ts'
import { DEFAULT_SETTINGS, type DeltaSettings } from '../../lib/protocol/delta/settings.ts'
import { tableResolver, type ResolverConfig } from '../../lib/protocol/delta/resolve.ts'
import { scopePrefix, type Scope } from '../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { expectDescribed } from './described.ts'

/** Where the tests' clock starts, epoch ms: the instant of the golden bytes of spec/coordinator.md 3. */
export const START_MS = 1_739_443_200_000

/** A clock for tests. */
export interface TestClock {
  now_ms: number
  advance(ms: number): void
}

/** A clock that stands still. */
export function testClock(now_ms = START_MS): TestClock {
  return {
    now_ms,
    advance(ms) {
      this.now_ms += ms
    },
  }
}

/** What a test service is made of; all optional. */
export interface TestServiceOptions {
  readonly scope?: Scope
  readonly clock?: TestClock
  readonly settings?: Partial<DeltaSettings>
  readonly compactor?: Partial<CompactorSettings>
  readonly resolver?: ResolverConfig
  readonly log?: AppLog
  readonly overrides?: EnvironmentOverrides
  /** Why the store may not be written to; it may, unless told. */
  readonly writeRefusal?: () => string | null
  /** How long a body may take to arrive, in real ms. */
  readonly body_arrival_ms?: number
}

/** An answer with its body decoded. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any -- JSON of any shape; tests assert on it
  readonly body: any
}

/** A commit request's members; `table_id` goes into the path. */
export interface CommitCall {
  readonly table_id: string
  readonly read_version: number
  readonly staged_path: string
  readonly staged_version: string
  readonly idempotency_key: string
}

/** One process of Tidemark without a socket. */
export interface TestService {
  readonly app: App
  readonly clock: TestClock
  readonly scope: Scope
  /** `tenant=…/workspace=…/` */
  readonly prefix: string
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  stage(table_id: string, payload?: string): Promise<{ staged_path: string; staged_version: string }>
  /** The runbook's form: the key in the body. */
  commit(call: CommitCall): Promise<Answer>
  recover(table_id: string): Promise<Answer>
  inspect(table_id: string): Promise<Answer>
}

/** What the app of a test service is made of. */
export function testDeps(store: MaintenanceStore, options: TestServiceOptions = {}): AppDeps {
  const scope = options.scope ?? { tenant: 'acme', workspace: 'analytics' }
  const clock = options.clock ?? testClock()
  return {
    store,
    maintenance_store: store,
    scope,
    resolver: tableResolver(options.resolver ?? { mode: 'legacy' }, {
      ...scope,
      bucket: { scheme: 'memory', authority: '' },
    }),
    user: singleScope(scope),
    internal: singleScope(scope),
    settings: { ...DEFAULT_SETTINGS, ...options.settings },
    compactor: { ...DEFAULT_COMPACTOR_SETTINGS, ...options.compactor },
    log: options.log ?? SILENT_LOG,
    ...(options.writeRefusal === undefined ? {} : { writeRefusal: options.writeRefusal }),
    ...(options.body_arrival_ms === undefined ? {} : { body_arrival_ms: options.body_arrival_ms }),
    overrides: {
      now: () => clock.now_ms,
      monotonic: () => clock.now_ms,
      sleep: async () => undefined,
      ...options.overrides,
    },
  }
}

/** Make a service over a store. Two services over one store are two processes. */
export function testService(store: MaintenanceStore, options: TestServiceOptions = {}): TestService {
  const clock = options.clock ?? testClock()
  const deps = testDeps(store, { ...options, clock })
  const { scope } = deps
  const app = createApp(deps)

  async function request(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await app.fetch(
      new Request(`http://tidemark.test${path}`, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    )
    const text = await response.text()
    const answer = {
      status: response.status,
      headers: response.headers,
      body: text === '' ? null : JSON.parse(text),
    }
    expectDescribed({ method, path, ...answer })
    return answer
  }

  const table = (table_id: string): string => `/api/v1/delta/tables/${table_id}`
  return {
    app,
    clock,
    scope,
    prefix: scopePrefix(scope),
    request,
    async stage(table_id, payload = freshPayload()) {
      const answer = await request('POST', `${table(table_id)}/commits/stage`, { payload })
      if (answer.status !== 200) throw new Error(`stage: ${answer.status} ${JSON.stringify(answer.body)}`)
      return answer.body
    },
    commit: async ({ table_id, ...body }) => request('POST', `${table(table_id)}/commits`, body),
    recover: async (table_id) => request('POST', `${table(table_id)}/recover`, {}),
    inspect: async (table_id) => request('GET', `${table(table_id)}/inspect`),
  }
}

/** A fresh UUIDv7: a table id or an idempotency key. */
export function freshId(): string {
  return uuidv7()
}

/** A one-line Delta payload that nobody else has. */
export function freshPayload(): string {
  return `${JSON.stringify({ commitInfo: { timestamp: 1, txnId: uuidv7() } })}\n`
}

/** Lower-case hex SHA-256, as an operator's `shasum -a 256` prints it. */
export function sha256Hex(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex')
}

/** The relative keys of one commit's four objects, spelled out by hand and not by `lib/protocol/paths.ts`. */
export function commitKeys(
  table_id: string,
  idempotency_key: string,
  version: number,
): { readonly state: string; readonly marker: string; readonly log: string } {
  const hash = sha256Hex(idempotency_key)
  return {
    state: `delta/coordinator/${table_id}.json`,
    marker: `delta/idempotency/${table_id}/${hash.slice(0, 2)}/${hash}.json`,
    log: `tables/${table_id}/_delta_log/${String(version).padStart(20, '0')}.json`,
  }
}
