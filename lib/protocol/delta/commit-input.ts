/** From what a client sent to a CommitRequest (spec/http-api.md 4.2, spec/coordinator.md 6.1). Pure; no store is touched. */
import * as z from 'zod'
import { checkIdempotencyKey, isCanonicalUuid, isUlid, parseTableId } from '../ids.ts'
import { hasLoneSurrogate, isIntegerLiteral, NumberLiteral, type JsonValue } from '../json.ts'
import { stagingPrefix } from '../paths.ts'
import type { CommitRequest } from './request.ts'

/** Longest `staged_version` (spec/http-api.md 11). `staged_path` is bounded by its form. */
const TOKEN_CHARS_MAX = 1024

/** The wire shape of a commit. Ranges and forms are checked in the order of 6.1, not here. */
export const CommitBody = z.strictObject({
  read_version: z.int().meta({
    description: 'Version that the commit builds on; -1 for an empty table',
    minimum: -1,
    maximum: Number.MAX_SAFE_INTEGER,
    examples: [-1],
  }),
  staged_path: z.string().meta({
    description: 'As stage answered it',
    examples: ['delta/staging/0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json'],
  }),
  staged_version: z
    .string()
    .meta({ description: 'As stage answered it', minLength: 1, maxLength: TOKEN_CHARS_MAX, examples: ['1'] }),
  idempotency_key: z
    .string()
    .nullish()
    .meta({
      description: 'Canonical lower-case UUIDv7, here or in the Idempotency-Key header',
      format: 'uuid',
      pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
      examples: ['0194f5a0-2000-7abc-8def-0123456789ab'],
    }),
})

/** Members of a JSON body, as the strict reader returned them. */
export type BodyMembers = Readonly<Record<string, JsonValue>>

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
  readonly body: BodyMembers
}

/** Check a commit: the shape of the body, the table id, the key, then the rules of 6.1 in their order. */
export function parseCommitInput({ table_id: id_text, header_key, body }: CommitInput): Input<CommitRequest> {
  const shape = parseShape(CommitBody, withoutHugeIntegers(body))
  if (!shape.ok) return shape
  const { staged_path, staged_version, idempotency_key } = shape.value
  const table = parseTable(id_text)
  if (!table.ok) return table
  const key = resolveKey(header_key, idempotency_key ?? null)
  if (!key.ok) return key
  const problem =
    stagedPathProblem(table.value, staged_path) ??
    readVersionProblem(body['read_version']) ??
    stagedVersionProblem(staged_version)
  if (problem !== null) return bad(problem)
  return {
    ok: true,
    value: {
      table_id: table.value,
      read_version: shape.value.read_version,
      staged_path,
      staged_version,
      idempotency_key: key.value,
    },
  }
}

/** The canonical table id of a path parameter. */
export function parseTable(id_text: string): Input<string> {
  const table_id = parseTableId(id_text)
  return table_id === null ? bad('table_id must be a UUID') : { ok: true, value: table_id }
}

/**
 * The body in the shape of a strict schema: 400 for a member that the route does not know (S35), 422 for one that is
 * missing or has the wrong type.
 */
export function parseShape<S extends z.ZodObject>(schema: S, body: BodyMembers): Input<z.infer<S>> {
  const known = Object.keys(schema.shape)
  const unknown = Object.keys(body).find((name) => !known.includes(name))
  if (unknown !== undefined) {
    const expected = known.length === 0 ? 'no members' : known.join(', ')
    return bad(`unknown member ${brief(unknown)}; expected ${expected}`)
  }
  const parsed = schema.safeParse(body)
  if (parsed.success) return { ok: true, value: parsed.data }
  const issue = parsed.error.issues[0]
  const name = String(issue?.path[0] ?? 'body')
  const expected =
    issue?.code === 'invalid_value'
      ? issue.values.map((value) => JSON.stringify(value)).join(' or ')
      : (EXPECTED[issue?.code === 'invalid_type' ? issue.expected : ''] ?? 'another value')
  return {
    ok: false,
    reason: 'unprocessable',
    detail: `${name} must be ${expected}, got ${kindOf(body[name])}`,
  }
}

/** The types that occur in bodies, in words. */
const EXPECTED: Readonly<Record<string, string>> = {
  int: 'an integer',
  number: 'an integer',
  string: 'a string',
  boolean: 'true or false',
}

/** An integer beyond 2^53−1 has the right type, so the shape holds; its range is refused later (J-4). */
function withoutHugeIntegers(body: BodyMembers): BodyMembers {
  return isHugeInteger(body['read_version']) ? { ...body, read_version: 0 } : body
}

function isHugeInteger(value: JsonValue | undefined): value is NumberLiteral {
  return value instanceof NumberLiteral && isIntegerLiteral(value)
}

/** Header or body; both only when they are equal byte for byte (R21). */
function resolveKey(header: string | null, body: string | null): Input<string> {
  if (header === '') return bad('Idempotency-Key header must not be empty')
  if (header !== null && body !== null && header !== body) {
    const detail = 'Idempotency-Key header and idempotency_key body field differ'
    return { ok: false, reason: 'key_mismatch', detail }
  }
  const key = header ?? body
  if (key === null) return bad('Idempotency-Key is required')
  const checked = checkIdempotencyKey(key)
  return checked.ok ? { ok: true, value: key } : bad(checked.detail)
}

function stagedPathProblem(table_id: string, path: string): string | null {
  const prefix = stagingPrefix(table_id)
  if (!path.startsWith(prefix)) return `staged_path must start with ${prefix}`
  const name = path.slice(prefix.length)
  const id = name.endsWith('.json') ? name.slice(0, -'.json'.length) : ''
  return isUlid(id) || isCanonicalUuid(id) ? null : 'invalid staged_path'
}

function readVersionProblem(value: JsonValue | undefined): string | null {
  if (isHugeInteger(value)) return 'read_version must be a safe integer'
  return typeof value === 'number' && value < -1 ? 'read_version must be >= -1' : null
}

function stagedVersionProblem(token: string): string | null {
  if (token === '' || token.length > TOKEN_CHARS_MAX) {
    return `staged_version must have 1 to ${TOKEN_CHARS_MAX} characters`
  }
  // It is hashed as UTF-8 (spec/coordinator.md 4), which cannot say half a character.
  return hasLoneSurrogate(token) ? 'staged_version must be well-formed Unicode' : null
}

function bad(detail: string): InputProblem {
  return { ok: false, reason: 'bad_request', detail }
}

function brief(name: string): string {
  const text = name.length > 64 ? `${name.slice(0, 64)}…` : name
  return JSON.stringify(text)
}

function kindOf(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (value instanceof NumberLiteral) return 'a number that is not a plain integer'
  if (typeof value === 'object') return 'an object'
  return `a ${typeof value}`
}
