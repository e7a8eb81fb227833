/** `verify` of a table in a memory store, all pages of it, as the handler runs it; and tables of files to verify. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createEnvironment } from '../../functions/environment.ts'
import { tableResolver, type ResolverConfig } from '../../lib/protocol/delta/resolve.ts'
import { decodeCursor, type Cursor } from '../../lib/protocol/maintenance/delta/cursor.ts'
import { verifyTable, type Verified } from '../../lib/protocol/maintenance/delta/verify.ts'
import type { Finding } from '../../lib/protocol/maintenance/finding.ts'
import { runMaintenance } from '../../lib/protocol/maintenance/run.ts'
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts'
import { scopedMaintenanceStore, scopePrefix, type Scope } from '../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { TABLE_ID } from './commit-world.ts'
import { START_MS } from './service.ts'

/** The scope of the tables here. */
export const VERIFY_SCOPE: Scope = { tenant: 'acme', workspace: 'analytics' }

/** Where the log of the table lies, with the scope in front. */
export const TABLE_PREFIX = `${scopePrefix(VERIFY_SCOPE)}tables/${TABLE_ID}/`

/** What differs between two looks. */
export interface LookOptions {
  readonly scope?: Scope
  readonly table_id?: string
  readonly deep?: boolean
  readonly limit?: number
  readonly now_ms?: number
  readonly resolver?: ResolverConfig
}

/** Everything that was found, in the order of the pages, and the pages themselves. */
export interface Look {
  readonly findings: readonly Finding[]
  readonly pages: readonly Verified[]
}

/** Look at a table, page by page, to the end. */
export async function lookAt(store: MaintenanceStore, options: LookOptions = {}): Promise<Look> {
  const { scope = VERIFY_SCOPE, table_id = TABLE_ID, deep = false, limit = 1000, now_ms = START_MS } = options
  const scoped = scopedMaintenanceStore(store, scope)
  const environment = createEnvironment({
    store: scoped,
    resolver: tableResolver(options.resolver ?? { mode: 'legacy' }, {
      ...scope,
      bucket: { scheme: 'memory', authority: '' },
    }),
    note: () => undefined,
    overrides: { now: () => now_ms, monotonic: () => now_ms },
  })
  const pages: Verified[] = []
  let cursor: Cursor | null = null
  do {
    const work = verifyTable({ table_id, deep, limit, cursor, ttl_ms: 300_000 })
    const page = await runMaintenance(work, { ...environment, store: scoped })
    if (!page.ok) throw new Error(`expected a page, got ${page.reason}`)
    pages.push(page)
    if (pages.length > 10_000) throw new Error('the pages do not end')
    cursor = page.next === null ? null : decodeCursor(page.next)
  } while (cursor !== null)
  return { findings: pages.flatMap(({ findings }) => findings), pages }
}

/** The ids and severities of what was found, sorted, each once: `DL-501 error`. */
export function told(findings: readonly Finding[]): string[] {
  return [...new Set(findings.map(({ rule, severity }) => `${rule} ${severity}`))].toSorted()
}

/** What is worse than a fact. */
export function serious(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ severity }) => severity !== 'info')
}

/** Files of one table by their path below its root. */
export type TableFiles = Readonly<Record<string, string | Uint8Array>>

/** A memory store that holds the files of one table. */
export function storeOf(files: TableFiles, now_ms = START_MS): MemoryStore {
  const store = memoryStore({ meta: true, clock: () => now_ms })
  for (const [path, content] of Object.entries(files)) {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
    store.seed(`${TABLE_PREFIX}${path}`, bytes)
  }
  return store
}

/** The files of a table that another system wrote into a folder. */
export function filesIn(folder: string): Record<string, Uint8Array> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  return Object.fromEntries(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return [relative(folder, path), new Uint8Array(readFileSync(path))]
    }),
  )
}

/** Path of a log entry below the root. */
export function entryPath(version: number): string {
  return `_delta_log/${String(version).padStart(20, '0')}.json`
}
