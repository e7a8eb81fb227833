/**
 * Every key that Tidemark reads or writes is built here and nowhere else (spec/storage.md 3). All paths are
 * relative to the scope; the scoped store adds `tenant=…/workspace=…/`.
 */
import { keyProblem } from '../store/keys.ts'

/** Coordinator state of one table: the only object of a commit that is ever rewritten, by CAS. */
export function statePath(table_id: string): string {
  return `delta/coordinator/${table_id}.json`
}

/** Idempotency marker of the key whose lower-case hex SHA-256 is `key_hash`. */
export function markerPath(table_id: string, key_hash: string): string {
  return `delta/idempotency/${table_id}/${key_hash.slice(0, 2)}/${key_hash}.json`
}

/** Where staged payloads of one table live; ends with a slash. */
export function stagingPrefix(table_id: string): string {
  return `delta/staging/${table_id}/`
}

/** One staged payload. */
export function stagedPath(table_id: string, id: string): string {
  return `${stagingPrefix(table_id)}${id}.json`
}

/** Log entry of `version`, which must be a non-negative safe integer (20 digits, zero padded). */
export function logPath(root: string, version: number): string {
  if (!Number.isSafeInteger(version) || version < 0)
    throw new RangeError(`no log path for version ${version}`)
  return `${root}/_delta_log/${String(version).padStart(20, '0')}.json`
}

/** The checkpoint hint of a table: its presence proves that the table has history (spec/coordinator.md 10). */
export function checkpointHintPath(root: string): string {
  return `${root}/_delta_log/_last_checkpoint`
}

/** Root of a table that has no location (spec/storage.md 3.4 step 1). */
export function legacyRoot(table_id: string): string {
  return `tables/${table_id}`
}

/** Pointer of the catalog domain (spec/coordinator.md 11.1). */
export const CATALOG_POINTER_PATH = 'manifests/catalog.pointer.json'

/** First segments that no table root may start with (spec/storage.md 3.3). */
const RESERVED_SEGMENTS: ReadonlySet<string> = new Set([
  'delta',
  'locks',
  'ledger',
  'state',
  'state-store',
  'manifests',
  'snapshots',
  'commits',
  'sequence',
  'quarantine',
  'transactions',
  'retention',
  'receipts',
  '_inbox',
  '_catalog',
  'events',
  'orchestration',
  'uc',
  '__arco',
])

/** True when the key passes spec/storage.md 4; `prefix` is the scope's and counts towards its length. */
export function isValidKey(path: string, prefix = ''): boolean {
  return keyProblem(path, prefix) === undefined
}

/** True when `root` may hold a table: a valid key outside the control prefixes. */
export function isTableRoot(root: string): boolean {
  const first = root.split('/', 1)[0] ?? ''
  return isValidKey(root) && !RESERVED_SEGMENTS.has(first) && !first.startsWith('tenant=')
}

/**
 * The root of a stored `delta_log_path`, or null when the path is not the log entry of `version` under a usable
 * root. Stored paths are checked like input before anything acts on them (spec/correctness.md S3, S25).
 */
export function rootOfLogPath(path: string, version: number): string | null {
  const at = path.lastIndexOf('/_delta_log/')
  if (at < 1) return null
  const root = path.slice(0, at)
  return isTableRoot(root) && path === logPath(root, version) ? root : null
}

/** No store has longer names; with the scope in front a longer one would be no key at all (P-10). */
const NAME_CHARS_MAX = 255

/** True when a stored reservation may name this staged object: this table's prefix and one `.json` segment (R16). */
export function isStagedPath(table_id: string, path: string): boolean {
  const prefix = stagingPrefix(table_id)
  if (!path.startsWith(prefix)) return false
  const name = path.slice(prefix.length)
  return (
    name.length > '.json'.length &&
    name.length <= NAME_CHARS_MAX &&
    name.endsWith('.json') &&
    !name.includes('/') &&
    isValidKey(path)
  )
}
