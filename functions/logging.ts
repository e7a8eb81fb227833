/**
 * Structured logs on stderr: one line a request, one a fact that the protocol noted (spec/http-api.md 8, S10, S11). No
 * payloads, no tokens, no keys in clear; text of users and of providers is redacted, capped and escaped.
 */
import {
  configureSync,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type LogRecord,
} from '@logtape/logtape'
import type { Note } from '../lib/protocol/effects.ts'
import type { Severity } from '../lib/protocol/maintenance/finding.ts'
import { StoreError } from '../lib/store/types.ts'

/** What one request's line says. */
export type RequestFacts = Readonly<Record<string, string | number | boolean>>

/** Where the app writes. */
export interface AppLog {
  request(facts: RequestFacts): void
  note(request_id: string, note: Note): void
  /** Something that was let pass; fixed words. */
  warning(request_id: string, what: string): void
  failure(request_id: string, error: unknown): void
}

/** Longest text of a user in a log line, and how much of it is looked at for secrets. */
const TEXT_CHARS_MAX = 200
const SEARCHED_CHARS_MAX = 2_000

/** Log to a function that takes whole lines. */
export function createLog(options: { readonly format: 'json' | 'text'; write(line: string): void }): AppLog {
  const format =
    options.format === 'json' ? getJsonLinesFormatter({ properties: 'flatten' }) : textFormatter()
  configureSync({
    reset: true,
    sinks: { lines: (record: LogRecord) => options.write(`${ascii(format(record).trimEnd())}\n`) },
    loggers: [
      { category: 'tidemark', sinks: ['lines'], lowestLevel: 'info' },
      { category: ['logtape', 'meta'], sinks: ['lines'], lowestLevel: 'error' },
    ],
  })
  const logger = getLogger('tidemark')
  return {
    request: (facts) => logger.info('request', harmless(facts)),
    note(request_id, note) {
      const { note: kind, ...facts } = note
      const properties = harmless({ request_id, ...facts })
      // Every few minutes, and nothing to say.
      if (note.note === 'repair_automation' && note.status === 'clean') return
      if (note.note === 'finding') logger[LEVELS[note.severity]](kind, properties)
      else if (kind === 'recovered' || kind === 'rebuild_progress') logger.info(kind, properties)
      else logger.warn(kind, properties)
    },
    warning: (request_id, what) => logger.warn('warning', { request_id, what }),
    failure(request_id, error) {
      logger.error('failure', harmless({ request_id, ...describe(error) }))
    },
  }
}

/** How loud a finding is. */
const LEVELS = { error: 'error', warn: 'warn', info: 'info' } as const satisfies Record<Severity, string>

/** A log that says nothing, for tests of other things. */
export const SILENT_LOG: AppLog = {
  request: () => undefined,
  note: () => undefined,
  warning: () => undefined,
  failure: () => undefined,
}

function textFormatter(): (record: LogRecord) => string {
  const line = getTextFormatter()
  return (record) => `${line(record).trimEnd()} ${JSON.stringify(record.properties)}`
}

function describe(error: unknown): Record<string, string> {
  if (error instanceof StoreError)
    return { error: error.name, code: error.code, key: error.key, cause: withCause(error) }
  if (!(error instanceof Error)) return { error: typeof error }
  return { error: error.name, cause: error.message, at: error.stack?.split('\n')[1]?.trim() ?? '' }
}

/** A driver says what happened in its own words; what the system said is behind it, unless the driver repeats it. */
function withCause({ message, cause }: StoreError): string {
  const is_new = cause instanceof Error && !message.includes(cause.message)
  return is_new ? `${message}: ${cause.message}` : message
}

function harmless(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => {
      if (SECRET_NAME.test(name)) return [name, REDACTED]
      return [name, typeof value === 'string' ? shown(value) : value]
    }),
  )
}

const REDACTED = '[redacted]'

/** Facts that would be a secret, if anybody ever logged them. */
const SECRET_NAME = /^(authorization|cookie|idempotency_key|payload|password|secret|token)$/i

/**
 * Secrets inside of texts that others wrote, such as the message of an SDK: credentials of a header, a JWT, the
 * signature of a URL, the idempotency key that Arco's facade makes the name of a staged payload, and the tenant and workspace
 * that every key of the bucket begins with.
 */
const SECRETS: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\b(bearer|basic) +[\w.~+/=-]+/gi, `$1 ${REDACTED}`],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, REDACTED],
  [/\b(signature|credential|security-token|access_token|token|secret)=[^&\s"']+/gi, `$1=${REDACTED}`],
  [/(tenant|workspace)(=|%3D)[a-z0-9_-]+/gi, `$1$2${REDACTED}`],
  [/(delta\/staging\/[0-9a-f-]{36}\/)[0-9a-f-]{36}(?=\.json)/g, `$1${REDACTED}`],
]

function shown(text: string): string {
  const searched = text.slice(0, SEARCHED_CHARS_MAX)
  return SECRETS.reduce((safe, [pattern, instead]) => safe.replaceAll(pattern, instead), searched).slice(
    0,
    TEXT_CHARS_MAX,
  )
}

/** One line for every reader: terminals act on control characters, and some tools break lines at U+2028 or U+0085. */
function ascii(line: string): string {
  return line.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
