/** Collects what the payload rules find, in bounded memory however bad the payload is. */
import type { Finding } from '../outcomes.ts'

type Severity = Finding['severity']

/** Findings kept of each kind: errors on one side, warnings and facts on the other. All of them are counted. */
const KEPT_MAX = 100

/** After so many errors the rest of a payload is not looked at: a caller fixes these first. */
const ERRORS_MAX = 1000

interface Tally {
  readonly rule: string
  readonly severity: Severity
  readonly first_line: number
  lines: number
}

/** The findings of one payload. Errors never lose their place to warnings. */
export class FindingList {
  private readonly errors: Finding[] = []
  private readonly remarks: Finding[] = []
  private readonly tallies = new Map<string, Tally>()
  private error_count = 0
  private remark_count = 0

  error(rule: string, detail: string, line?: number): void {
    this.error_count += 1
    if (this.errors.length < KEPT_MAX) this.errors.push(finding(rule, 'error', detail, line))
  }

  warn(rule: string, detail: string, line?: number): void {
    this.remark(finding(rule, 'warn', detail, line))
  }

  /** A warning or fact that may hold for every line: becomes one finding that counts them. `what` is a fixed text. */
  tally(rule: string, severity: Exclude<Severity, 'error'>, what: string, line: number): void {
    const tally = this.tallies.get(what)
    if (tally === undefined) this.tallies.set(what, { rule, severity, first_line: line, lines: 1 })
    else tally.lines += 1
  }

  get has_errors(): boolean {
    return this.error_count > 0
  }

  get gives_up(): boolean {
    return this.error_count >= ERRORS_MAX
  }

  /** How many there are, kept or not. */
  get total(): number {
    return this.error_count + this.remark_count + this.tallies.size
  }

  /** What was kept: errors first, each part in line order, findings about the whole before those about a line. */
  list(): Finding[] {
    const tallied = Array.from(this.tallies, ([what, tally]) => tallyFinding(what, tally))
    return [...this.errors.toSorted(byLine), ...[...this.remarks, ...tallied].toSorted(byLine)]
  }

  private remark(remark: Finding): void {
    this.remark_count += 1
    if (this.remarks.length < KEPT_MAX) this.remarks.push(remark)
  }
}

/** A name or path as it may stand in a finding: quoted, escaped and short. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text)
}

function tallyFinding(what: string, { rule, severity, first_line, lines }: Tally): Finding {
  const detail = lines === 1 ? what : `${what} (${lines} lines, this is the first)`
  return finding(rule, severity, detail, first_line)
}

function finding(rule: string, severity: Severity, detail: string, line: number | undefined): Finding {
  return line === undefined ? { rule, severity, detail } : { rule, severity, line, detail }
}

function byLine(one: Finding, other: Finding): number {
  return (one.line ?? 0) - (other.line ?? 0)
}
