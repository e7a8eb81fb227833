/** From what a client sent to a CommitRequest (spec/http-api.md 4.2, spec/coordinator.md 6.1). Pure; no store is touched. */
import { checkIdempotencyKey, isCanonicalUuid, isUlid, parseTableId } from '../ids.ts'
import { isIntegerLiteral, NumberLiteral, type JsonValue } from '../json.ts'
import { stagingPrefix } from '../paths.ts'
import type { CommitRequest } from './request.ts'

/** Why the input was refused: syntax and ranges are 400, missing or mistyped members 422. */
export interface InputProblem {
  readonly ok: false
  readonly reason: 'bad_request' | 'key_mismatch' | 'unprocessable'
  readonly detail: string
}

/** Checked input, or the first rule that it breaks. */
export type Input<T> = { readonly ok: true; readonly value: T } | InputProblem

/** What arrived, before any check. */
export interface CommitInput {
  readonly table_id: string
  /** Value of the `Idempotency-Key` header; null when absent. */
  readonly header_key: string | null
  readonly body: Readonly<Record<string, JsonValue>>
}

const MEMBERS: ReadonlySet<string> = new Set([
  'read_version',
  'staged_path',
  'staged_version',
  'idempotency_key',
])

/** Longest `staged_path` and `staged_version` (spec/http-api.md 11). */
const TEXT_CHARS_MAX = 1024

/** Check a commit: table id, members, key, then the rules of 6.1, in the order of spec/http-api.md 4.2. */
export function parseCommitInput({ table_id: id_text, header_key, body }: CommitInput): Input<CommitRequest> {
  const table = parseTable(id_text)
  if (!table.ok) return table
  const table_id = table.value
  const unknown = unknownMember(body, MEMBERS)
  if (unknown !== null) return unknown
  const body_key = textOrNull(body, 'idempotency_key')
  if (!body_key.ok) return body_key
  const key = resolveKey(header_key, body_key.value)
  if (!key.ok) return key
  const read_version = parseReadVersion(body['read_version'])
  if (!read_version.ok) return read_version
  const staged_path = text(body, 'staged_path')
  if (!staged_path.ok) return staged_path
  const staged_version = text(body, 'staged_version')
  if (!staged_version.ok) return staged_version
  const path_problem = stagedPathProblem(table_id, staged_path.value)
  if (path_problem !== null) return bad(path_problem)
  if (staged_version.value === '') return bad('staged_version must not be empty')
  return {
    ok: true,
    value: {
      table_id,
      read_version: read_version.value,
      staged_path: staged_path.value,
      staged_version: staged_version.value,
      idempotency_key: key.value,
    },
  }
}

/** The canonical table id of a path parameter. */
export function parseTable(id_text: string): Input<string> {
  const table_id = parseTableId(id_text)
  return table_id === null ? bad('table_id must be a UUID') : { ok: true, value: table_id }
}

/** 400 for the first member that the route does not know (S35), else null. */
export function unknownMember(
  body: Readonly<Record<string, JsonValue>>,
  known: ReadonlySet<string>,
): InputProblem | null {
  const name = Object.keys(body).find((member) => !known.has(member))
  if (name === undefined) return null
  const expected = known.size === 0 ? 'no members' : [...known].join(', ')
  return bad(`unknown member ${JSON.stringify(name.slice(0, 64))}; expected ${expected}`)
}

/** A required string without lone surrogates. */
export function text(
  body: Readonly<Record<string, JsonValue>>,
  name: string,
  chars_max = TEXT_CHARS_MAX,
): Input<string> {
  const value = body[name]
  if (typeof value !== 'string') return unprocessable(name, 'a string', value)
  if (value.length > chars_max) return bad(`${name} must have at most ${chars_max} characters`)
  return { ok: true, value }
}

function textOrNull(body: Readonly<Record<string, JsonValue>>, name: string): Input<string | null> {
  const value = body[name]
  if (value === undefined || value === null) return { ok: true, value: null }
  return text(body, name)
}

/** Header or body; both only when they are equal byte for byte (R21). */
function resolveKey(header: string | null, body: string | null): Input<string> {
  if (header !== null && body !== null && header !== body) {
    const detail = 'Idempotency-Key header and idempotency_key body field differ'
    return { ok: false, reason: 'key_mismatch', detail }
  }
  const key = header ?? body
  if (key === null || key === '') return bad('Idempotency-Key is required')
  const checked = checkIdempotencyKey(key)
  return checked.ok ? { ok: true, value: key } : bad(checked.detail)
}

function parseReadVersion(value: JsonValue | undefined): Input<number> {
  if (value instanceof NumberLiteral && isIntegerLiteral(value)) {
    return bad(
      value.text.startsWith('-') ? 'read_version must be >= -1' : 'read_version must be a safe integer',
    )
  }
  if (typeof value !== 'number') return unprocessable('read_version', 'an integer', value)
  return value < -1 ? bad('read_version must be >= -1') : { ok: true, value }
}

function stagedPathProblem(table_id: string, path: string): string | null {
  const prefix = stagingPrefix(table_id)
  if (!path.startsWith(prefix)) return `staged_path must start with ${prefix}`
  const name = path.slice(prefix.length)
  const id = name.endsWith('.json') ? name.slice(0, -'.json'.length) : ''
  return isUlid(id) || isCanonicalUuid(id) ? null : 'invalid staged_path'
}

function bad(detail: string): InputProblem {
  return { ok: false, reason: 'bad_request', detail }
}

function unprocessable(name: string, expected: string, value: JsonValue | undefined): InputProblem {
  return { ok: false, reason: 'unprocessable', detail: `${name} must be ${expected}, got ${kindOf(value)}` }
}

function kindOf(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (value instanceof NumberLiteral) return 'a number that is not a plain integer'
  switch (typeof value) {
    case 'number':
      return 'a number'
    case 'string':
      return 'a string'
    case 'boolean':
      return 'a boolean'
    default:
      return 'an object'
  }
}
