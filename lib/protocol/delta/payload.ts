/**
 * Checks what a client wants to stage, from the text alone (spec/coordinator.md SG-6, spec/delta-log-rules.md 14 A).
 * One pass; memory for the sets of paths and ids. The text is only looked at: what is stored are the client's own
 * bytes (DL-212).
 *
 * Required and typed members of an action are reported under the number of its section: 3.3 `add` is DL-303, 3.4
 * `remove` DL-304, 3.5 `cdc` DL-305, 3.6 `txn` DL-306, 3.7 `domainMetadata` DL-307, 3.8 `commitInfo` DL-308.
 */
import { hasLoneSurrogate, isJsonObject, JsonError, parseJson } from '../json.ts'
import type { JsonLimits, JsonObject, JsonValue } from '../json.ts'
import type { Finding } from './outcomes.ts'
import { Fields, typeWord } from './payload/fields.ts'
import { FileActions } from './payload/file-actions.ts'
import { FindingList, quoted } from './payload/findings.ts'
import { CLIENT_LIMITS } from './payload/limits.ts'
import { checkMetaData } from './payload/metadata.ts'
import { checkProtocol } from './payload/protocol.ts'
import type { TableProtocol } from './payload/protocol.ts'
import { checkTableRules, inCommitTimestamp } from './payload/table-rules.ts'
import type { Placed } from './payload/table-rules.ts'

/** What later steps want to know of a staged payload without reading it again; `sha256` is added by the caller. */
export interface PayloadSummary {
  /** Known actions. */
  readonly actions: number
  readonly adds: number
  readonly removes: number
  readonly bytesAdded: bigint
  readonly bytesRemoved: bigint
  readonly txnApps: readonly string[]
  readonly domains: readonly string[]
  readonly hasMetadata: boolean
  readonly hasProtocol: boolean
  readonly ict: bigint | null
  readonly txnId: string | null
  readonly isBlindAppend: boolean | null
}

/** All that is found in a payload, and what it is about. */
export interface PayloadCheck {
  /** Whether anything of severity `error` was found; only such a payload is refused. */
  readonly refused: boolean
  /** At most 100 errors, then at most 100 warnings and facts with one entry for each that repeats on many lines. */
  readonly findings: readonly Finding[]
  /** How many findings there are, listed or not. */
  readonly findings_total: number
  /** False after 1000 errors, where reading stopped; the total and the summary say less then. */
  readonly complete: boolean
  readonly summary: PayloadSummary
}

/** What a deployment may ask for beyond the rules. */
export interface PayloadPolicy {
  /** Refuse absolute paths in file actions (S24, DL-405). Without it they are a warning, as shallow clones have them. */
  readonly refuse_absolute_paths?: boolean
  /** Called for every known action that is an object, in the order of the lines: for `verify`, which goes on with them. */
  readonly onAction?: (name: ActionName, value: JsonObject) => void
}

/** Check a payload in strict mode. Never throws, and takes time linear in its length. */
export function checkPayload(payload: string, policy: PayloadPolicy = {}): PayloadCheck {
  const checker = new PayloadChecker()
  return checker.check(payload, policy)
}

const ACTION_RULES = {
  commitInfo: 'DL-308',
  metaData: 'DL-311',
  protocol: 'DL-321',
  add: 'DL-303',
  remove: 'DL-304',
  cdc: 'DL-305',
  txn: 'DL-306',
  domainMetadata: 'DL-307',
  checkpointMetadata: 'DL-301',
  sidecar: 'DL-301',
} as const

/** The actions that are known (spec/delta-log-rules.md 3). */
export type ActionName = keyof typeof ACTION_RULES

function isActionName(name: string): name is ActionName {
  return Object.hasOwn(ACTION_RULES, name)
}

/** Reads one payload and keeps what the rules across its lines need. */
class PayloadChecker {
  private readonly findings = new FindingList()
  private readonly files = new FileActions()
  private readonly txnApps = new Set<string>()
  private readonly domains = new Set<string>()
  private actions = 0
  private has_action = false
  private has_unread = false
  private first_line: number | undefined
  private commitInfo: Placed<JsonObject> | undefined
  private metaData_line: number | undefined
  private configuration: Placed<JsonObject> | undefined
  private protocol_line: number | undefined
  private protocol: Placed<TableProtocol> | undefined
  private duplicate: string | undefined
  private onAction: PayloadPolicy['onAction']

  private readonly limits: JsonLimits = {
    ...CLIENT_LIMITS,
    onDuplicate: (name) => {
      this.duplicate ??= name
    },
  }

  check(payload: string, policy: PayloadPolicy): PayloadCheck {
    this.onAction = policy.onAction
    const complete = this.readLines(this.checkText(payload))
    // Lines that could not be read are reported already; what they lack is not known.
    if (!this.has_action && !this.has_unread) {
      this.findings.error('DL-210', 'expected at least one action, saw none')
    }
    if (complete) {
      checkTableRules(this.findings, {
        protocol: this.protocol,
        configuration: this.configuration,
        commitInfo: this.commitInfo,
        first_line: this.first_line,
        absolute_path_lines: this.files.absolute_path_lines,
        deletion_vector_lines: this.files.deletion_vector_lines,
        refuses_absolute_paths: policy.refuse_absolute_paths ?? false,
      })
    }
    return {
      refused: this.findings.has_errors,
      findings: this.findings.list(),
      findings_total: this.findings.total,
      complete,
      summary: this.summary(),
    }
  }

  /** DL-201 about the whole text; returns it without its byte order mark, so that the lines are checked as well. */
  private checkText(payload: string): string {
    if (hasLoneSurrogate(payload)) {
      this.findings.error('DL-201', 'expected text that can be written as UTF-8, saw a lone surrogate')
    }
    if (payload.includes('\0')) this.findings.error('DL-201', 'expected no NUL character in the payload')
    if (!payload.startsWith('\uFEFF')) return payload
    this.findings.error('DL-201', 'expected no byte order mark at the start of the payload')
    return payload.slice(1)
  }

  /** Returns false when it stopped before the end. */
  private readLines(text: string): boolean {
    let start = 0
    for (let line = 1; start < text.length; line += 1) {
      if (this.findings.gives_up) return false
      const newline = text.indexOf('\n', start)
      const end = newline === -1 ? text.length : newline
      this.readLine(text.slice(start, end), line)
      start = end + 1
    }
    return true
  }

  private readLine(text: string, line: number): void {
    if (isBlank(text)) {
      this.findings.tally('DL-204', 'warn', 'a blank line is skipped', line)
      return
    }
    this.first_line ??= line
    const value = this.parseLine(text, line)
    if (value === undefined) return
    if (isJsonObject(value)) this.readObject(value, line)
    else {
      this.has_unread = true
      this.findings.error('DL-205', `expected a JSON object on each line, saw ${typeWord(value)}`, line)
    }
  }

  private parseLine(text: string, line: number): JsonValue | undefined {
    this.duplicate = undefined
    try {
      const value = parseJson(text, this.limits)
      if (this.duplicate !== undefined) {
        this.findings.error('DL-209', `expected each member once, saw ${quoted(this.duplicate)} again`, line)
      }
      if (text.includes('\\u') && holdsLoneSurrogate(value)) {
        this.findings.tally('DL-201', 'warn', 'some readers refuse an escaped lone surrogate', line)
      }
      return value
    } catch (error) {
      if (!(error instanceof JsonError)) throw error
      this.has_unread = true
      // Something behind an object lacks its newline; behind anything else, the line was no object to begin with.
      const lacks_newline = error.code === 'trailing' && text.trimStart().startsWith('{')
      this.findings.error(lacks_newline ? 'DL-202' : 'DL-205', error.message, line)
      return undefined
    }
  }

  private readObject(object: JsonObject, line: number): void {
    const present = Object.keys(object).filter((name) => object[name] !== null)
    const known = present.filter(isActionName)
    const [name, second] = known
    if (present.length > 0) this.has_action = true
    if (name === undefined) return this.noteNoAction(object, present, line)
    if (second !== undefined) {
      this.findings.error('DL-206', `expected one action on a line, saw ${known.join(', ')}`, line)
    }
    for (const action of known) this.readAction(action, object[action] ?? null, line)
  }

  private noteNoAction(object: JsonObject, present: readonly string[], line: number): void {
    if (present.length > 0)
      this.findings.tally('DL-207', 'info', 'a line of unknown actions passes through', line)
    else if (Object.keys(object).length > 0) {
      this.findings.tally('DL-208', 'info', 'an action that is null counts as absent', line)
    } else this.findings.tally('DL-205', 'warn', 'an empty object is no action', line)
  }

  private readAction(name: ActionName, value: JsonValue, line: number): void {
    this.actions += 1
    const rule = ACTION_RULES[name]
    if (!isJsonObject(value)) {
      this.findings.error(rule, `expected ${name} to be an object, saw ${typeWord(value)}`, line)
      return
    }
    this.onAction?.(name, value)
    const fields = new Fields({ name, rule, line, findings: this.findings }, value)
    switch (name) {
      case 'commitInfo':
        return this.readCommitInfo(fields, value)
      case 'metaData':
        return this.readMetaData(fields)
      case 'protocol':
        return this.readProtocol(fields)
      case 'add':
        return this.files.add(fields)
      case 'remove':
        return this.files.remove(fields)
      case 'cdc':
        return this.files.cdc(fields)
      case 'txn':
        return this.readTxn(fields)
      case 'domainMetadata':
        return this.readDomainMetadata(fields)
      case 'checkpointMetadata':
      case 'sidecar':
        return fields.error(`expected no ${name} in a commit: it belongs into checkpoints`)
    }
  }

  private readCommitInfo(fields: Fields, value: JsonObject): void {
    if (this.commitInfo !== undefined) fields.error('expected at most one commitInfo, saw another')
    this.commitInfo ??= { value, line: fields.line }
  }

  private readMetaData(fields: Fields): void {
    if (this.metaData_line !== undefined) fields.error('expected at most one metaData, saw another', 'DL-310')
    this.metaData_line ??= fields.line
    const configuration = checkMetaData(fields)
    if (configuration !== undefined) this.configuration ??= { value: configuration, line: fields.line }
  }

  private readProtocol(fields: Fields): void {
    if (this.protocol_line !== undefined) fields.error('expected at most one protocol, saw another', 'DL-320')
    this.protocol_line ??= fields.line
    const protocol = checkProtocol(fields)
    if (protocol !== undefined) this.protocol ??= { value: protocol, line: fields.line }
  }

  private readTxn(fields: Fields): void {
    const appId = fields.string('appId', 'required')
    // May be below an earlier version: that is how a stream is rolled back (3.6).
    fields.int64('version', 'required')
    fields.int64('lastUpdated', 'optional')
    if (appId === undefined) return
    if (this.txnApps.has(appId)) fields.error(`expected one txn for ${quoted(appId)}, saw another`, 'DL-334')
    this.txnApps.add(appId)
  }

  private readDomainMetadata(fields: Fields): void {
    const domain = fields.string('domain', 'required')
    fields.string('configuration', 'required')
    fields.bool('removed', 'required')
    if (domain === undefined) return
    if (this.domains.has(domain)) {
      fields.error(`expected one domainMetadata for ${quoted(domain)}, saw another`, 'DL-334')
    }
    this.domains.add(domain)
  }

  private summary(): PayloadSummary {
    const info = this.commitInfo?.value ?? {}
    const { txnId, isBlindAppend } = info
    return {
      actions: this.actions,
      ...this.files.totals,
      txnApps: [...this.txnApps],
      domains: [...this.domains],
      hasMetadata: this.metaData_line !== undefined,
      hasProtocol: this.protocol_line !== undefined,
      ict: inCommitTimestamp(info),
      txnId: typeof txnId === 'string' ? txnId : null,
      isBlindAppend: typeof isBlindAppend === 'boolean' ? isBlindAppend : null,
    }
  }
}

function isBlank(line: string): boolean {
  return !/[^ \t\r]/.test(line)
}

/** Depth is bounded by the JSON reader. */
function holdsLoneSurrogate(value: JsonValue): boolean {
  if (typeof value === 'string') return hasLoneSurrogate(value)
  if (Array.isArray(value)) return value.some(holdsLoneSurrogate)
  if (!isJsonObject(value)) return false
  return Object.entries(value).some(([name, member]) => hasLoneSurrogate(name) || holdsLoneSurrogate(member))
}
