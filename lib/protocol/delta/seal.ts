/** The no-op commit that closes a version whose payload is lost (HP-6), for tables under policy `seal`. */
import { now, sha256, ulid, type Protocol } from '../effects.ts'
import { isJsonObject, JsonError, parseJson, type JsonValue } from '../json.ts'
import { logPath, rootOfLogPath } from '../paths.ts'
import { sha256Text } from './request.ts'
import { payloadOp, toLog, type LogEntry, type Payload } from './objects.ts'
import { issue, type Work } from './work.ts'

/**
 * One `commitInfo` line. When the previous entry carries an in-commit timestamp, this one carries a greater one;
 * null when the previous entry cannot be read, because then nobody knows whether the table uses them.
 */
export function* sealPayload(work: Work, path: string, version: number): Protocol<Payload | null> {
  const root = rootOfLogPath(path, version)
  if (root === null) return null
  const answers = yield* issue(work, { previous: payloadOp(logPath(root, version - 1)) })
  const previous = yield* toLog(answers.previous)
  if (previous === null) return null
  const previous_ict = inCommitTimestamp(previous)
  if (previous_ict === 'unreadable') return null
  const { now_ms } = yield* now()
  const commitInfo = {
    ...(previous_ict === null ? {} : { inCommitTimestamp: Math.max(previous_ict + 1, now_ms) }),
    timestamp: now_ms,
    operation: 'NOOP',
    operationParameters: {},
    engineInfo: work.settings.product,
    txnId: yield* freshUuid(),
  }
  const bytes = new TextEncoder().encode(`${JSON.stringify({ commitInfo })}\n`)
  return { bytes, sha256: yield* sha256(bytes) }
}

/** The in-commit timestamp of an entry, null when it has none. */
function inCommitTimestamp(log: LogEntry): number | null | 'unreadable' {
  try {
    for (const line of new TextDecoder('utf-8', { fatal: true }).decode(log.bytes).split('\n')) {
      if (line.trim() === '') continue
      const info = member(parseJson(line, { forbid_proto: false }), 'commitInfo')
      const ict = member(info, 'inCommitTimestamp')
      if (ict === undefined || ict === null) continue
      return typeof ict === 'number' ? ict : 'unreadable'
    }
    return null
  } catch (error) {
    if (error instanceof JsonError || error instanceof TypeError) return 'unreadable'
    throw error
  }
}

function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return isJsonObject(value) ? value[name] : undefined
}

/** A UUID (version 8, RFC 9562) from a fresh ULID: unique because the ULID is. */
function* freshUuid(): Protocol<string> {
  const hex = yield* sha256Text(yield* ulid())
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}
