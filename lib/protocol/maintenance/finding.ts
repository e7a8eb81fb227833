/**
 * The one shape of everything that maintenance finds: verify, reconcile and the health check all answer with these, so
 * that one report, one log line and one runbook fit them all.
 */

/** `error`: readers fail or see wrong data. `warn`: survivable, but somebody should act. `info`: a fact worth showing. */
export type Severity = 'error' | 'warn' | 'info'

/** One thing that is not as it should be. */
export interface Finding {
  /** Stable name: `DL-nnn` of spec/delta-log-rules.md, `TM-nnn` of this coordinator, `RC-nn`, `PJ-nn` of the projection. */
  readonly rule: string
  readonly severity: Severity
  /** The object it is about, relative to the workspace. */
  readonly path?: string
  /** The table version it is about. */
  readonly version?: number
  /** What was expected and what was seen here. Names and paths only, never a payload's text or a key. */
  readonly detail: string
  /** What that means for readers and writers. */
  readonly means: string
  /** What to do: an exact request or command where there is one. May name an idempotency key, so it is not for logs (S10). */
  readonly next: string
}

/** One row of a catalogue of rules; the documentation is generated from the same rows. */
export interface Rule {
  /** Severity of the rule where an occurrence does not say another. */
  readonly severity: Severity
  /** What holds when all is well, in a few words. */
  readonly title: string
  /** Where the rule is written down. */
  readonly spec: string
  readonly means: string
  /** May contain `{table_id}`, `{version}` and `{path}`, which an occurrence fills in. */
  readonly next: string
}

/** What an occurrence adds to its rule. */
export interface Occurrence {
  readonly severity?: Severity
  readonly path?: string
  readonly version?: number
  readonly detail: string
  /** In place of the rule's own, where this occurrence knows better. */
  readonly means?: string
  readonly next?: string
}

/** The finding of a rule of a catalogue; `names` fill the placeholders of its `next`. */
export function findingOf<Id extends string>(
  catalogue: Readonly<Record<Id, Rule>>,
  rule: Id,
  { severity, path, version, detail, means, next }: Occurrence,
  names: Readonly<Record<string, string>> = {},
): Finding {
  const row = catalogue[rule]
  const known: Readonly<Record<string, string | undefined>> = {
    ...names,
    ...(path === undefined ? {} : { path }),
    ...(version === undefined ? {} : { version: String(version) }),
  }
  return {
    rule,
    severity: severity ?? row.severity,
    ...(path === undefined ? {} : { path }),
    ...(version === undefined ? {} : { version }),
    detail,
    means: means ?? row.means,
    next: (next ?? row.next).replaceAll(/\{([a-z_]+)\}/g, (text, name: string) => known[name] ?? text),
  }
}

const RANKS: Readonly<Record<Severity, number>> = { error: 0, warn: 1, info: 2 }

/** For sorting: the most severe first, then in the order of versions; findings without one come before those with one. */
export function bySeverity(one: Finding, other: Finding): number {
  return RANKS[one.severity] - RANKS[other.severity] || (one.version ?? -1) - (other.version ?? -1)
}

/** Exit code of a command that looked: 1 when somebody should act, else 0. */
export function exitCodeOf(findings: readonly Finding[]): 0 | 1 {
  return findings.some(({ severity }) => severity !== 'info') ? 1 : 0
}
