/** What a name in `_delta_log/` is (spec/delta-log-rules.md 1). Whole names, case sensitive; the first that fits wins. */

/** One object of a log directory by its name; `version` of what carries one. */
export type LogName =
  | { readonly kind: 'commit' | 'classic_checkpoint' | 'checksum'; readonly version: number }
  | { readonly kind: 'part'; readonly version: number; readonly part: number; readonly parts: number }
  | { readonly kind: 'uuid_checkpoint'; readonly version: number; readonly format: 'json' | 'parquet' }
  | { readonly kind: 'compaction'; readonly from: number; readonly version: number }
  | { readonly kind: 'staged_commit'; readonly version: number }
  | { readonly kind: 'sidecar' | 'hint' }
  /** A commit for Spark and none for kernel-rs (DL-101). */
  | { readonly kind: 'misnamed_commit' }
  | { readonly kind: 'other' }

const UUID = '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'

/** In the order to try; each makes a name of what its groups caught, or null for a version that no number holds. */
const PATTERNS: readonly (readonly [RegExp, (groups: readonly string[]) => LogName | null])[] = [
  [/^(\d{20})\.json$/, ([v = '']) => versioned('commit', v)],
  [new RegExp(`^_staged_commits/(\\d{20})\\.${UUID}\\.json$`), ([v = '']) => versioned('staged_commit', v)],
  [/^(\d{20})\.checkpoint\.parquet$/, ([v = '']) => versioned('classic_checkpoint', v)],
  [
    /^(\d{20})\.checkpoint\.(\d{10})\.(\d{10})\.parquet$/,
    ([v = '', part = '', parts = '']) => partOf(v, part, parts),
  ],
  [/^(\d{20})\.checkpoint\.[0-9a-fA-F-]{36}\.(json|parquet)$/, ([v = '', format]) => uuidOf(v, format)],
  [/^_sidecars\/[^/]+\.parquet$/, () => ({ kind: 'sidecar' })],
  [/^(\d{20})\.(\d{20})\.compacted\.json$/, ([x = '', y = '']) => compactionOf(x, y)],
  [/^(\d{20})\.crc$/, ([v = '']) => versioned('checksum', v)],
  [/^_last_checkpoint$/, () => ({ kind: 'hint' })],
  [/^\d+\.json$/, () => ({ kind: 'misnamed_commit' })],
]

/** Classify a name relative to `_delta_log/`. What nobody knows is `other`, and of no concern. */
export function logNameOf(name: string): LogName {
  for (const [pattern, make] of PATTERNS) {
    const match = pattern.exec(name)
    if (match !== null) return make(match.slice(1)) ?? { kind: 'other' }
  }
  return { kind: 'other' }
}

type Versioned = Extract<LogName, { version: number; part?: never; format?: never; from?: never }>['kind']

function versioned(kind: Versioned, digits: string): LogName | null {
  const version = versionOf(digits)
  return version === null ? null : { kind, version }
}

function partOf(digits: string, part: string, parts: string): LogName | null {
  const version = versionOf(digits)
  return version === null ? null : { kind: 'part', version, part: Number(part), parts: Number(parts) }
}

function uuidOf(digits: string, format: string | undefined): LogName | null {
  const version = versionOf(digits)
  if (version === null) return null
  return { kind: 'uuid_checkpoint', version, format: format === 'json' ? 'json' : 'parquet' }
}

function compactionOf(first: string, last: string): LogName | null {
  const from = versionOf(first)
  const version = versionOf(last)
  return from === null || version === null || version <= from ? null : { kind: 'compaction', from, version }
}

/** Versions that this coordinator can make are safe integers (J-4). */
function versionOf(digits: string): number | null {
  const version = Number(digits)
  return Number.isSafeInteger(version) ? version : null
}
