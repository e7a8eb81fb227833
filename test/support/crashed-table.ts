/** A table in a folder as a killed server left it (spec/coordinator.md 7.1), and what an operator needs to finish it. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { WINDOWS, type Window } from './crash-windows.ts'
import { startServer } from './server-process.ts'
import { commitKeys, freshId, freshPayload } from './service.ts'

/** The scope of all of them. */
export const SCOPE = { tenant: 'acme', workspace: 'analytics' }

/** What was on its way when the server was killed. */
export interface CrashedTable {
  readonly table_id: string
  readonly key: string
  readonly payload: string
  readonly staged_path: string
  readonly staged_version: string
  /** What an operator finds in the bucket now. */
  look(): Promise<Seen>
}

/** The three objects of the commit, null where there is none. */
export interface Seen {
  readonly state: unknown
  readonly log: string | null
  readonly marker: unknown
}

/** Stage the first commit of a fresh table below `folder`, send it, and let the server be killed in `window`. */
export async function crashTable(folder: string, window: Window): Promise<CrashedTable> {
  const table_id = freshId()
  const key = freshId()
  const payload = freshPayload()
  const server = await startServer('test/support/crash-server.ts', {
    CRASH_FOLDER: folder,
    CRASH_TENANT: SCOPE.tenant,
    CRASH_WORKSPACE: SCOPE.workspace,
    CRASH_AFTER_WRITES: String(WINDOWS.indexOf(window)),
  })
  const table = `${server.base}/api/v1/delta/tables/${table_id}`
  const staged = await post(`${table}/commits/stage`, { payload })
  const { staged_path, staged_version } = (await staged.json()) as Record<string, string>
  if (staged_path === undefined || staged_version === undefined)
    throw new Error(`not staged: ${staged.status}`)
  const answer = await post(`${table}/commits`, {
    read_version: -1,
    staged_path,
    staged_version,
    idempotency_key: key,
  }).catch(() => null)
  if (answer !== null) server.kill('SIGTERM')
  const { signal, stderr } = await server.ended
  if (signal !== 'SIGKILL') throw new Error(`the server was not killed in ${window}: ${stderr}`)

  const keys = commitKeys(table_id, key, 0)
  const read = (path: string): string | null => {
    const file = join(folder, `tenant=${SCOPE.tenant}`, `workspace=${SCOPE.workspace}`, path)
    return existsSync(file) ? readFileSync(file, 'utf8') : null
  }
  return {
    table_id,
    key,
    payload,
    staged_path,
    staged_version,
    look: async () => ({
      state: JSON.parse(read(keys.state) ?? 'null'),
      log: read(keys.log),
      marker: JSON.parse(read(keys.marker) ?? 'null'),
    }),
  }
}

async function post(url: string, body: unknown): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}
