/**
 * What a soak left behind, read with `node:fs` and nothing of Tidemark: the objects of the bucket by their keys
 * (spec/storage.md 3), the journals of the clients, and what other readers found in the tables.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SCOPE, type AnswerLine, type JournalLine, type Layout, type RequestLine } from './journal.ts'
import type { Reading } from './readings.ts'

const SCOPE_PREFIX = `tenant=${SCOPE.tenant}/workspace=${SCOPE.workspace}/`

/** The objects of one table; what is missing was not there. */
export interface TableObjects {
  readonly table_id: string
  state: string | null
  /** By version. */
  readonly log: Map<number, string>
  /** By the hash in their name. */
  readonly markers: Map<string, string>
  /** By path, as requests name it. */
  readonly staged: Map<string, string>
  /** Names of the data files that clients put. */
  readonly files: Set<string>
}

/** A request with everything that it was answered, in the order of arrival. */
export interface AskedRequest extends RequestLine {
  readonly answers: readonly AnswerLine[]
}

/** Everything that the checker judges by. */
export interface Evidence {
  readonly tables: ReadonlyMap<string, TableObjects>
  readonly requests: readonly AskedRequest[]
  readonly readings: readonly Reading[]
  /** Files that are no object of a commit. */
  readonly strays: readonly string[]
  /** Files of the folder store's own that a killed process left; they must not disturb anybody. */
  readonly leftovers: number
}

/** Read the folder and the journals of a run; `readings` are what others found in its tables. */
export function readEvidence({ folder, journals }: Layout, readings: readonly Reading[] = []): Evidence {
  const tables = new Map<string, TableObjects>()
  const strays: string[] = []
  let leftovers = 0
  const requests = readRequests(journals)
  // A table that somebody asked for is judged even when nothing of it is there.
  for (const { table_id } of requests) tableOf(tables, table_id)
  for (const key of filesBelow(folder)) {
    if (key.startsWith('.arco-meta/')) leftovers += key.startsWith('.arco-meta/tmp/') ? 1 : 0
    else if (!keep(tables, key, () => readFileSync(join(folder, key), 'utf8'))) strays.push(key)
  }
  return { tables, requests, readings, strays, leftovers }
}

/** The members of a JSON object; text that is none has no members. */
export function membersOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

/** The kinds of objects, told by their path; `name` is what tells two of one table apart. */
const KINDS: readonly {
  readonly pattern: RegExp
  put(table: TableObjects, name: string, read: () => string): void
}[] = [
  {
    pattern: /^delta\/coordinator\/(?<table_id>[0-9a-f-]{36})\.json$/,
    put: (table, _, read) => void (table.state = read()),
  },
  {
    pattern: /^delta\/idempotency\/(?<table_id>[0-9a-f-]{36})\/[0-9a-f]{2}\/(?<name>[0-9a-f]{64})\.json$/,
    put: (table, hash, read) => void table.markers.set(hash, read()),
  },
  {
    pattern: /^(?<name>delta\/staging\/(?<table_id>[0-9a-f-]{36})\/[0-9A-Z]{26}\.json)$/,
    put: (table, path, read) => void table.staged.set(path, read()),
  },
  {
    pattern: /^tables\/(?<table_id>[0-9a-f-]{36})\/_delta_log\/(?<name>\d{20})\.json$/,
    put: (table, version, read) => void table.log.set(Number(version), read()),
  },
  {
    pattern: /^tables\/(?<table_id>[0-9a-f-]{36})\/(?<name>part-[0-9a-z-]+\.parquet)$/,
    put: (table, name) => void table.files.add(name),
  },
]

/** Put an object where it belongs; false when it is none. */
function keep(tables: Map<string, TableObjects>, key: string, read: () => string): boolean {
  if (!key.startsWith(SCOPE_PREFIX)) return false
  const path = key.slice(SCOPE_PREFIX.length)
  for (const { pattern, put } of KINDS) {
    const { table_id, name = '' } = pattern.exec(path)?.groups ?? {}
    if (table_id === undefined) continue
    put(tableOf(tables, table_id), name, read)
    return true
  }
  return false
}

function tableOf(tables: Map<string, TableObjects>, table_id: string): TableObjects {
  const known = tables.get(table_id)
  if (known !== undefined) return known
  const fresh: TableObjects = {
    table_id,
    state: null,
    log: new Map(),
    markers: new Map(),
    staged: new Map(),
    files: new Set(),
  }
  tables.set(table_id, fresh)
  return fresh
}

/** Every file, by its path with `/`. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}

function readRequests(journals: string): AskedRequest[] {
  const lines = readdirSync(journals).flatMap((name) =>
    readFileSync(join(journals, name), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line): JournalLine => JSON.parse(line)),
  )
  const answers = Map.groupBy(
    lines.filter((line) => line.what === 'answer'),
    ({ request }) => request,
  )
  return lines
    .filter((line) => line.what === 'request')
    .map((line) => ({ ...line, answers: answers.get(line.request) ?? [] }))
}
