/**
 * Writers that commit through the whole HTTP app (without sockets), and writers that only put: the same bytes into the
 * same store, one conditional put each. What the first cost more than the second is the price of the protocol.
 */
import { randomInt } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { createApp, type App } from '../functions/app.ts'
import { singleScope } from '../functions/auth/user.ts'
import { SILENT_LOG } from '../functions/logging.ts'
import { tableResolver } from '../lib/protocol/delta/resolve.ts'
import { DEFAULT_COMPACTOR_SETTINGS } from '../functions/compactor-settings.ts'
import { DEFAULT_SETTINGS } from '../lib/protocol/delta/settings.ts'
import { scopedStore } from '../lib/store/scoped.ts'
import type { MaintenanceStore } from '../lib/store/types.ts'
import type { Sample } from './statistics.ts'

const SCOPE = { tenant: 'bench', workspace: 'main' }

/** A client repeats a 409 after a random pause of at most this, ms; it does not wait the second of `Retry-After`. */
const PAUSE_MS_MAX = 10

/** One table, and what a writer believes its latest version to be. */
export interface Table {
  readonly id: string
  latest_version: number
}

/** A table without history. */
export function newTable(): Table {
  return { id: uuidv7(), latest_version: -1 }
}

/** The app as the entry files make it, with system clock and random ids; only its log is silent. */
export function benchApp(store: MaintenanceStore): App {
  return createApp({
    store,
    maintenance_store: store,
    scope: SCOPE,
    resolver: tableResolver({ mode: 'auto' }, { ...SCOPE, bucket: { scheme: 'file', authority: '' } }),
    user: singleScope(SCOPE),
    internal: singleScope(SCOPE),
    settings: DEFAULT_SETTINGS,
    compactor: DEFAULT_COMPACTOR_SETTINGS,
    log: SILENT_LOG,
  })
}

/** The payload of one commit of one appended file. */
export function payload(): string {
  const actions = [
    { commitInfo: { timestamp: Date.now(), operation: 'WRITE', txnId: uuidv7() } },
    {
      add: {
        path: `part-00000-${uuidv7()}.snappy.parquet`,
        partitionValues: {},
        size: 1_048_576,
        modificationTime: Date.now(),
        dataChange: true,
        stats: '{"numRecords":10000,"minValues":{"id":1},"maxValues":{"id":10000},"nullCount":{"id":0}}',
      },
    },
  ]
  return actions.map((action) => `${JSON.stringify(action)}\n`).join('')
}

/** What the commits of a run came to. */
export interface Commits extends Sample {
  /** Commit requests that were sent, the refused ones included. */
  requests: number
}

/** What a stage request was answered with. */
export type Staged = Readonly<Record<string, unknown>>

/** Stage and commit until `until_ms`; a commit's duration reaches from its first commit request to its 200. */
export async function commitUntil(app: App, table: Table, until_ms: number, into: Commits): Promise<void> {
  while (performance.now() < until_ms) {
    const staged = await stage(app, table)
    const started_ms = performance.now()
    const requests = await commit(app, table, staged)
    into.durations_ms.push(performance.now() - started_ms)
    into.requests += requests
  }
}

/** Stage one payload. */
export async function stage(app: App, table: Table): Promise<Staged> {
  const { status, body } = await post(app, `${table.id}/commits/stage`, { payload: payload() })
  if (status !== 200) throw new Error(`stage: ${status} ${JSON.stringify(body)}`)
  return body
}

/** Commit what is staged, whatever it takes; the number of requests that it took. */
export async function commit(app: App, table: Table, staged: Staged): Promise<number> {
  let idempotency_key = uuidv7()
  let read_version = table.latest_version
  for (let requests = 1; ; requests++) {
    const { status, body } = await post(app, `${table.id}/commits`, {
      ...staged,
      read_version,
      idempotency_key,
    })
    if (status === 200) {
      table.latest_version = Math.max(table.latest_version, Number(body['version']))
      return requests
    }
    if (body['reason'] === 'stale_read_version') {
      // Definite: nothing of this key is in the log. A real writer would check for conflicts before it rebases.
      table.latest_version = Math.max(table.latest_version, Number(body['latest_version']))
      read_version = table.latest_version
      idempotency_key = uuidv7()
    } else if (body['retryable'] === true) {
      await new Promise((resolve) => setTimeout(resolve, randomInt(1, PAUSE_MS_MAX + 1)))
    } else throw new Error(`commit: ${status} ${JSON.stringify(body)}`)
  }
}

async function post(
  app: App,
  path: string,
  body: unknown,
): Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> }> {
  const response = await app.fetch(
    new Request(`http://bench/api/v1/delta/tables/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  )
  return { status: response.status, body: await response.json() }
}

/** Put fresh keys, if absent, until `until_ms`. */
export async function putUntil(store: MaintenanceStore, until_ms: number, into: Sample): Promise<void> {
  const scoped = scopedStore(store, SCOPE)
  while (performance.now() < until_ms) {
    const bytes = new TextEncoder().encode(payload())
    const started_ms = performance.now()
    const { outcome } = await scoped.put(`tables/plain/${uuidv7()}.json`, bytes, 'doesNotExist')
    into.durations_ms.push(performance.now() - started_ms)
    if (outcome !== 'ok') throw new Error(`put: ${outcome}`)
  }
}
