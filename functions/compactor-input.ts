/**
 * From the body of a compact or rebuild request to what it asks for, in the order of spec/locks-and-fencing.md 6.2 and with
 * its texts. Pure; no store is touched.
 */
import * as z from 'zod'
import type { BodyMembers } from '../lib/protocol/delta/commit-input.ts'
import { isJsonObject, NumberLiteral, type JsonValue } from '../lib/protocol/json.ts'
import { isRebuildManifestPath, LOCK_PATH } from '../lib/protocol/orchestration/paths.ts'
import type { CompactRequest } from '../lib/protocol/orchestration/projection/compact.ts'
import type { RebuildRequest } from '../lib/protocol/orchestration/projection/rebuild.ts'

/** Spec/http-api.md 11. */
const EVENT_PATHS_MAX = 100_000
const PATH_CHARS_MAX = 1024

const Fencing = {
  fencing_token: z.int().min(0).optional().meta({
    description:
      'Number of the lock that the caller holds; comes with `lock_path`. Without both the call takes the lock itself',
  }),
  lock_path: z
    .string()
    .max(PATH_CHARS_MAX)
    .optional()
    .meta({ description: `Always \`${LOCK_PATH}\`` }),
  request_id: z.string().nullish().meta({ description: 'For the log' }),
}

/** Body of a compact request. */
export const CompactBody = z.strictObject({
  event_paths: z
    .array(z.string())
    .max(EVENT_PATHS_MAX)
    .meta({ description: 'Events to fold, in any order, repetitions allowed' }),
  ...Fencing,
})

/** Body of a rebuild request. */
export const RebuildBody = z.strictObject({
  rebuild_manifest_path: z.string().max(PATH_CHARS_MAX).meta({
    description:
      'The list of events: a JSON object with `event_paths`, one JSON string a line, or `manifests` of such lists',
  }),
  ...Fencing,
  mode: z.enum(['incremental', 'full']).optional().meta({
    description:
      '`incremental`, the default: events above the watermark. `full`: the whole list from the empty state, in one step',
  }),
  dry_run: z.boolean().optional().meta({ description: 'Select, read and fold, and write nothing' }),
  on_invalid: z.enum(['abort', 'quarantine']).optional().meta({
    description:
      'Events that do not decode end the rebuild (`abort`, the default), or are left out and recorded',
  }),
  allow_regression: z.boolean().optional().meta({
    description: 'Of a full rebuild: the list may end before what is visible',
  }),
})

/** Parsed, or the first rule that is broken. `metric` is the reason of contract rejections (spec/http-api.md 8). */
export type CompactorInput<T> =
  | { readonly ok: true; readonly value: T; readonly caller_request_id: string | null }
  | { readonly ok: false; readonly detail: string; readonly metric?: ContractRejection }

/** Which part of the fencing contract a request breaks. */
export type ContractRejection =
  | 'legacy_epoch_alias'
  | 'missing_fencing_token'
  | 'missing_lock_path'
  | 'missing_fencing_token_and_lock_path'

/** Check the body of `/compact`. */
export function parseCompact(body: JsonValue, requires_fencing: boolean): CompactorInput<CompactRequest> {
  const shaped = parseBody('compact', CompactBody, body, requires_fencing)
  if (!shaped.ok) return shaped
  const { event_paths, fencing_token = null, lock_path, request_id = null } = shaped.value
  return (
    lockPathProblem(lock_path) ?? {
      ok: true,
      value: { event_paths, fencing_token },
      caller_request_id: request_id,
    }
  )
}

/** What a client may ask of a rebuild. */
export type RebuildAsked = Omit<RebuildRequest, 'time_budget_ms' | 'events_budget'>

/** Check the body of `/rebuild`. */
export function parseRebuild(body: JsonValue, requires_fencing: boolean): CompactorInput<RebuildAsked> {
  const shaped = parseBody('rebuild', RebuildBody, body, requires_fencing)
  if (!shaped.ok) return shaped
  const { rebuild_manifest_path, fencing_token = null, lock_path, request_id = null } = shaped.value
  const { mode = 'incremental', dry_run = false, on_invalid, allow_regression = false } = shaped.value
  if (!isRebuildManifestPath(rebuild_manifest_path)) return INVALID_LIST_PATH
  if (allow_regression && mode !== 'full') return invalid('allow_regression is for mode "full"')
  return (
    lockPathProblem(lock_path) ?? {
      ok: true,
      value: {
        rebuild_manifest_path,
        fencing_token,
        mode,
        dry_run,
        quarantine: on_invalid === 'quarantine',
        allow_regression,
      },
      caller_request_id: request_id,
    }
  )
}

/** For a path that no list can have. */
export const INVALID_LIST_PATH = {
  ok: false,
  detail: "invalid rebuild_manifest_path: expected 'state/orchestration/rebuilds/*.json'",
} as const

/** Presence comes before types: what the reference asks first is answered first. */
function parseBody<S extends z.ZodObject>(
  route: 'compact' | 'rebuild',
  schema: S,
  body: JsonValue,
  requires_fencing: boolean,
): { readonly ok: true; readonly value: z.output<S> } | Extract<CompactorInput<never>, { ok: false }> {
  const members: BodyMembers = isJsonObject(body) ? body : {}
  const must = `${route} requests must include fencing_token and lock_path`
  if (Object.hasOwn(members, 'epoch')) {
    const detail = `${must}; the legacy \`epoch\` alias is no longer accepted`
    return { ok: false, detail, metric: 'legacy_epoch_alias' }
  }
  const [sent, ...also] = ['fencing_token', 'lock_path'].filter((name) => Object.hasOwn(members, name))
  if (sent !== undefined && also.length === 0) {
    const metric = sent === 'lock_path' ? 'missing_fencing_token' : 'missing_lock_path'
    return { ok: false, detail: must, metric }
  }
  if (sent === undefined && requires_fencing) {
    return { ok: false, detail: must, metric: 'missing_fencing_token_and_lock_path' }
  }
  if (!isJsonObject(body)) return invalid(`expected a JSON object, got ${kindOf(body)}`)
  const unknown = Object.keys(body).find((name) => !Object.hasOwn(schema.shape, name))
  if (unknown !== undefined) {
    const known = Object.keys(schema.shape).join(', ')
    return invalid(`unknown member ${JSON.stringify(unknown.slice(0, 64))}; expected ${known}`)
  }
  const parsed = schema.safeParse(body)
  if (parsed.success) return { ok: true, value: parsed.data }
  return invalid(shapeProblem(parsed.error.issues[0], body))
}

function shapeProblem(issue: z.core.$ZodIssue | undefined, body: BodyMembers): string {
  const [name = 'body', index] = issue?.path ?? []
  const value = body[String(name)]
  const seen = index === undefined ? value : (value as JsonValue[])[Number(index)]
  const where = index === undefined ? String(name) : `${String(name)}[${String(index)}]`
  if (issue?.code === 'too_big' && issue.origin === 'array') {
    return `${where} must have at most ${EVENT_PATHS_MAX} entries, got ${(value as JsonValue[]).length}`
  }
  if (issue?.code === 'too_big' && issue.origin === 'string') {
    return `${where} must have at most ${PATH_CHARS_MAX} characters`
  }
  const is_other_word = issue?.code === 'invalid_value' && typeof seen === 'string'
  const got = is_other_word ? JSON.stringify(seen.slice(0, 64)) : kindOf(seen)
  return `${where} must be ${expectedOf(String(name), index)}, got ${got}`
}

function expectedOf(name: string, index: PropertyKey | undefined): string {
  if (index !== undefined) return 'a string'
  return EXPECTED[name] ?? 'a string'
}

const EXPECTED: Readonly<Record<string, string>> = {
  fencing_token: 'an integer from 0 to 2^53-1',
  event_paths: 'an array of strings',
  mode: '"incremental" or "full"',
  on_invalid: '"abort" or "quarantine"',
  dry_run: 'true or false',
  allow_regression: 'true or false',
}

function lockPathProblem(
  lock_path: string | undefined,
): Extract<CompactorInput<never>, { ok: false }> | null {
  return lock_path === undefined || lock_path === LOCK_PATH
    ? null
    : { ok: false, detail: 'core error: invalid input: invalid lock_path' }
}

function invalid(what: string): { readonly ok: false; readonly detail: string } {
  return { ok: false, detail: `invalid request body: ${what}` }
}

function kindOf(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (value instanceof NumberLiteral) return `the number ${value.text.slice(0, 40)}`
  if (typeof value === 'object') return 'an object'
  return typeof value === 'number' ? `the number ${value}` : `a ${typeof value}`
}
