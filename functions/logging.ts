/**
 * Structured logs on stderr: one line a request, one a fact that the protocol noted (spec/http-api.md 8, S10, S11). No
 * payloads, no tokens, no keys in clear; text of users is capped and always JSON-escaped.
 */
import {
  configureSync,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type LogRecord,
} from '@logtape/logtape'
import type { Note } from '../lib/protocol/effects.ts'
import { StoreError } from '../lib/store/types.ts'

/** What one request's line says. */
export type RequestFacts = Readonly<Record<string, string | number | boolean>>

/** Where the app writes. */
export interface AppLog {
  request(facts: RequestFacts): void
  note(request_id: string, note: Note): void
  failure(request_id: string, error: unknown): void
}

/** Longest text of a user in a log line. */
const TEXT_CHARS_MAX = 200

/** Log to a function that takes whole lines. */
export function createLog(options: { readonly format: 'json' | 'text'; write(line: string): void }): AppLog {
  const format =
    options.format === 'json' ? getJsonLinesFormatter({ properties: 'flatten' }) : textFormatter()
  configureSync({
    reset: true,
    sinks: { lines: (record: LogRecord) => options.write(format(record)) },
    loggers: [
      { category: 'tidemark', sinks: ['lines'], lowestLevel: 'info' },
      { category: ['logtape', 'meta'], sinks: ['lines'], lowestLevel: 'error' },
    ],
  })
  const logger = getLogger('tidemark')
  return {
    request: (facts) => logger.info('request', capped(facts)),
    note(request_id, note) {
      const { note: kind, ...facts } = note
      const properties = capped({ request_id, ...facts })
      if (kind === 'recovered' || kind === 'rebuild_progress') logger.info(kind, properties)
      else logger.warn(kind, properties)
    },
    failure(request_id, error) {
      logger.error('failure', capped({ request_id, ...describe(error) }))
    },
  }
}

/** A log that says nothing, for tests of other things. */
export const SILENT_LOG: AppLog = {
  request: () => undefined,
  note: () => undefined,
  failure: () => undefined,
}

function textFormatter(): (record: LogRecord) => string {
  const line = getTextFormatter()
  return (record) => `${line(record).trimEnd()} ${JSON.stringify(record.properties)}\n`
}

function describe(error: unknown): Record<string, string> {
  if (error instanceof StoreError)
    return { error: error.name, code: error.code, key: error.key, cause: error.message }
  if (!(error instanceof Error)) return { error: typeof error }
  return { error: error.name, cause: error.message, at: error.stack?.split('\n')[1]?.trim() ?? '' }
}

function capped(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.slice(0, TEXT_CHARS_MAX) : value,
    ]),
  )
}
