/** Table root normalisation: from a stored location to a relative root (spec/storage.md 3.4). */
import { withoutTrailingSlashes } from '../../store/keys.ts'
import { isTableRoot, isValidKey, legacyRoot, logPath } from '../paths.ts'

/** The bucket that locations must name. `authority` is the bucket name, empty for a folder or memory. */
export interface BucketName {
  /** `gs`, `s3`, `r2`, `file`, `memory`. */
  readonly scheme: string
  readonly authority: string
}

/** Whose tables these are and in which bucket. */
export interface RootContext {
  readonly tenant: string
  readonly workspace: string
  readonly bucket: BucketName
}

/** Schemes that mean the same store. */
const SCHEME_ALIASES: Readonly<Record<string, string>> = { s3a: 's3', s3n: 's3', gcs: 'gs' }

/**
 * The relative root of a table, or null when the location cannot be used: another bucket, another scope, a control
 * prefix, or characters that `spec/storage.md` 4 refuses. An absent location is `tables/{table_id}`.
 */
export function normaliseRoot(
  table_id: string,
  location: string | null | undefined,
  context: RootContext,
): string | null {
  if (location === null || location === undefined) return legacyRoot(table_id)
  const relative = dropAuthority(location.trim(), context.bucket)
  if (relative === null) return null
  const prefix = `tenant=${context.tenant}/workspace=${context.workspace}/`
  // Step 4: this scope's own prefix is removed once.
  const scoped = relative.startsWith(prefix) ? relative.slice(prefix.length) : relative
  const root = withoutTrailingSlashes(scoped.trim()).replace(/^\/+/, '')
  if (root === '' || root.startsWith('tenant=') || !isTableRoot(root)) return null
  // P-10 holds for what is written under the root, or a version could be reserved and never logged.
  return isValidKey(logPath(root, 0), prefix) ? root : null
}

/** Step 3: a URL must name the configured bucket. */
function dropAuthority(location: string, bucket: BucketName): string | null {
  const at = location.indexOf('://')
  if (at < 0) return location === '' ? null : location
  const scheme = location.slice(0, at).toLowerCase()
  const rest = location.slice(at + '://'.length)
  const slash = rest.indexOf('/')
  if (slash < 0) return null
  const same_scheme = (SCHEME_ALIASES[scheme] ?? scheme) === bucket.scheme
  return same_scheme && rest.slice(0, slash) === bucket.authority ? rest.slice(slash + 1) : null
}
