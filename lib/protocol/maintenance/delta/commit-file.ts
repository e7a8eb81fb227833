/** One commit file: its actions, and what the rules of staging say about its text (spec/delta-log-rules.md 2 and 3). */
import { checkPayload, type ActionName } from '../../delta/payload.ts'
import type { Finding as PayloadFinding } from '../../delta/outcomes.ts'
import type { JsonObject } from '../../json.ts'
import type { Severity } from '../finding.ts'
import { isTableRule, type TableFindings } from './findings.ts'

/** The actions of one commit, as far as they could be read. */
export interface CommitActions {
  /** Every line could be read. */
  is_legible: boolean
  commitInfo: JsonObject | null
  /** Nothing stands before commitInfo. */
  info_first: boolean
  metaData: JsonObject | null
  protocol: JsonObject | null
  readonly adds: JsonObject[]
  readonly removes: JsonObject[]
  readonly txns: JsonObject[]
  readonly domains: JsonObject[]
}

/** No actions yet. */
export function noActions(): CommitActions {
  return {
    is_legible: true,
    commitInfo: null,
    info_first: false,
    metaData: null,
    protocol: null,
    adds: [],
    removes: [],
    txns: [],
    domains: [],
  }
}

/** Read a commit file and report what its text alone breaks. */
export function readCommit(
  bytes: Uint8Array,
  place: { readonly path: string; readonly version: number },
  findings: TableFindings,
): CommitActions {
  const actions = noActions()
  let seen = 0
  const text = decode(bytes, place, findings)
  const check = checkPayload(text, {
    onAction(name, value) {
      if (seen === 0) actions.info_first = name === 'commitInfo'
      seen += 1
      takeAction(actions, name, value)
    },
  })
  actions.is_legible =
    check.complete && !check.findings.some(({ rule, severity }) => isIllegible(rule, severity))
  for (const finding of check.findings) reportPayload(finding, actions, place, findings)
  return actions
}

/** Keep an action; of those that may occur once, the first. */
export function takeAction(actions: CommitActions, name: ActionName, value: JsonObject): void {
  switch (name) {
    case 'commitInfo':
    case 'metaData':
    case 'protocol':
      actions[name] ??= value
      return
    case 'add':
      actions.adds.push(value)
      return
    case 'remove':
      actions.removes.push(value)
      return
    case 'txn':
      actions.txns.push(value)
      return
    case 'domainMetadata':
      actions.domains.push(value)
      return
    case 'cdc':
    case 'checkpointMetadata':
    case 'sidecar':
      return
  }
}

/** Bytes that are no UTF-8 are reported and read as well as can be, so that the other lines are checked too. */
function decode(
  bytes: Uint8Array,
  place: { readonly path: string; readonly version: number },
  findings: TableFindings,
): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    findings.report('DL-201', { ...place, detail: 'expected UTF-8, saw other bytes' })
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  }
}

/** Lines that say nothing, so that what they would have done to the table is not known. */
function isIllegible(rule: string, severity: Severity): boolean {
  return severity === 'error' && ['DL-201', 'DL-202', 'DL-205'].includes(rule)
}

/** Rules that need the table, which staging can only guess from the payload: `commit-rules.ts` checks them. */
const NEEDS_TABLE: ReadonlySet<string> = new Set([
  'DL-340',
  'DL-405',
  'DL-601',
  'DL-602',
  'DL-603',
  'DL-701',
  'DL-702',
])

function reportPayload(
  { rule, severity, line, detail }: PayloadFinding,
  { metaData }: CommitActions,
  place: { readonly path: string; readonly version: number },
  findings: TableFindings,
): void {
  if (NEEDS_TABLE.has(rule) || !isTableRule(rule)) return
  findings.report(rule, {
    ...place,
    severity: severityHere(rule, severity, metaData),
    detail: line === undefined ? detail : `line ${line}: ${detail}`,
  })
}

/** What staging refuses, old tables may hold all the same: the columns `stage` and `verify` of the spec differ. */
function severityHere(rule: string, severity: Severity, metaData: JsonObject | null): Severity {
  if (rule === 'DL-204') return 'info'
  if (rule === 'DL-209' || rule === 'DL-401') return 'warn'
  // Old writers leave out schemaString, configuration and format.options.
  if (rule === 'DL-311' && typeof metaData?.['id'] === 'string') return 'warn'
  return severity
}
