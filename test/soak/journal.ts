/** What the clients of a soak write down: every commit request before it is sent, and every answer to it. */
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

/** The scope that a soak writes to. */
export const SCOPE = { tenant: 'soak', workspace: 'main' }

/** A commit request: one key with one body. Sent once or often, always the same. */
export interface RequestLine {
  readonly what: 'request'
  /** Names the request in the answers. */
  readonly request: string
  /** A probe is a fresh commit after the last kill; a reuse takes the key of a commit that was answered 200. */
  readonly purpose: 'commit' | 'reuse' | 'probe'
  readonly table_id: string
  readonly idempotency_key: string
  readonly read_version: number
  readonly staged_path: string
  readonly staged_version: string
  /** The staged bytes, as text; no two requests have the same. */
  readonly payload: string
}

/** One answer, or that there was none. Times are of one monotonic clock, ms. */
export interface AnswerLine {
  readonly what: 'answer'
  readonly request: string
  readonly sent_at_ms: number
  readonly received_at_ms: number
  /** Null when the connection ended or the client gave up waiting. */
  readonly status: number | null
  readonly body: string
}

/** One line of a journal. */
export type JournalLine = RequestLine | AnswerLine

/** Where a run keeps its store and its journals. */
export interface Layout {
  readonly folder: string
  readonly journals: string
}

/** The layout below one temporary folder. */
export function layoutOf(root: string): Layout {
  return { folder: join(root, 'store'), journals: join(root, 'journals') }
}

/** One client's journal: a file of JSON lines, each written before the client goes on. */
export function openJournal({ journals }: Layout, client: string): (line: JournalLine) => void {
  mkdirSync(journals, { recursive: true })
  const file = join(journals, `${client}.jsonl`)
  return (line) => appendFileSync(file, `${JSON.stringify(line)}\n`)
}
