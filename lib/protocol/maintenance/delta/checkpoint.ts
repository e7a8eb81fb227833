/** One checkpoint: its files, what they hold, and whether that is what a checkpoint may hold (spec/delta-log-rules.md 8). */
import { quoted } from '../../delta/payload/findings.ts'
import { toBigInt } from '../../delta/payload/fields.ts'
import { isJsonObject, JsonError, parseJson, type JsonObject } from '../../json.ts'
import { CLIENT_LIMITS } from '../../delta/payload/limits.ts'
import type { Occurrence } from '../finding.ts'
import type { Maintenance } from '../effects.ts'
import type { TableFindings, TableRuleId } from './findings.ts'
import { lookAtParquet, readParquetActions } from './parquet-actions.ts'
import { OBJECT_BYTES_MAX, readObject } from './read.ts'
import { fileOf, keyOf, Snapshot, type LiveFile } from './snapshot.ts'
import { isComplete, type Checkpoint, type LogSurvey } from './survey.ts'
import { supports } from './table-protocol.ts'

/** A checkpoint that could be read. */
export interface CheckpointContent {
  readonly snapshot: Snapshot
  /** Objects that were read for it. */
  readonly reads: number
}

/** Read a checkpoint and report what is wrong with it by itself; null when it holds nothing that can be used. */
export function* readCheckpoint(
  survey: LogSurvey,
  checkpoint: Checkpoint,
  findings: TableFindings,
): Maintenance<CheckpointContent | null> {
  const { version, files, parts } = checkpoint
  const report = (rule: TableRuleId, occurrence: Occurrence): void =>
    findings.report(rule, { version, path: files[0]?.path ?? '', ...occurrence })
  if (!isComplete(checkpoint)) {
    const is_base = !survey.commits.includes(0) && !survey.checkpoints.some((other) => isComplete(other))
    report('DL-802', {
      severity: is_base ? 'error' : 'warn',
      detail: `expected ${parts} parts, saw ${files.length}`,
    })
    return null
  }
  const content = new Content(checkpoint, report)
  for (const file of files) {
    const rows = yield* readRows(file.path, checkpoint.kind === 'uuid_json', report, findings)
    if (rows === null) return null
    for (const row of rows) content.take(row)
  }
  let is_whole = true
  for (const sidecar of content.sidecars) {
    const rows = yield* readSidecar(survey, sidecar, report, findings)
    if (rows === null) is_whole = false
    for (const row of rows ?? []) content.takeFromSidecar(row)
  }
  content.check()
  if (!is_whole) return null
  return { snapshot: content.snapshot, reads: files.length + content.sidecars.length }
}

type Report = (rule: TableRuleId, occurrence: Occurrence) => void

function* readRows(
  path: string,
  is_json: boolean,
  report: Report,
  findings: TableFindings,
): Maintenance<readonly JsonObject[] | null> {
  const object = yield* readObject(path, findings, OBJECT_BYTES_MAX)
  if (object.is === 'unread') return null
  if (object.is === 'absent') {
    report('DL-809', { path, detail: 'expected the file that the listing showed, saw none' })
    return null
  }
  return is_json ? jsonRows(object.bytes, path, report) : yield* parquetFile(object.bytes, path, report)
}

function jsonRows(bytes: Uint8Array, path: string, report: Report): readonly JsonObject[] | null {
  try {
    const lines = new TextDecoder('utf-8', { fatal: true }).decode(bytes).split('\n')
    return lines
      .filter((line) => line.trim() !== '')
      .map((line) => {
        const value = parseJson(line, CLIENT_LIMITS)
        if (!isJsonObject(value)) throw new JsonError('syntax', 0, 'expected a JSON object on each line')
        return value
      })
  } catch (error) {
    if (!(error instanceof JsonError || error instanceof TypeError)) throw error
    report('DL-809', { path, detail: `expected lines of JSON: ${error.message}` })
    return null
  }
}

function* parquetFile(
  bytes: Uint8Array,
  path: string,
  report: Report,
): Maintenance<readonly JsonObject[] | null> {
  const look = lookAtParquet(bytes)
  switch (look.is) {
    case 'broken':
      report('DL-809', { path, detail: look.why })
      return null
    case 'unreadable':
      report('TM-901', { path, detail: look.why })
      return null
    case 'parquet': {
      const rows = yield* readParquetActions(bytes, look.columns)
      if (rows === null) report('DL-809', { path, detail: 'expected pages that decode' })
      return rows
    }
  }
}

/** A `sidecar` action, checked. */
interface Sidecar {
  readonly path: string
  readonly size: bigint | undefined
}

function* readSidecar(
  survey: LogSurvey,
  { path, size }: Sidecar,
  report: Report,
  findings: TableFindings,
): Maintenance<readonly JsonObject[] | null> {
  const full = path.includes('/') ? null : `${survey.root}/_delta_log/_sidecars/${decoded(path)}`
  const seen = full === null ? undefined : survey.sidecars.get(full)
  if (full === null) {
    report('TM-901', { detail: `a sidecar outside of _sidecars/ is not looked at: ${quoted(path)}` })
    return null
  }
  if (seen === undefined) {
    report('DL-805', { path: full, detail: 'expected the sidecar that the checkpoint names, saw none' })
    return null
  }
  if (size === undefined || size !== BigInt(seen.size)) {
    report('DL-805', {
      path: full,
      detail: `expected ${size ?? 'a size of its own in'} bytes, saw ${seen.size}`,
    })
  }
  return yield* readRows(full, false, report, findings)
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

const FILE_ACTIONS: ReadonlySet<string> = new Set(['add', 'remove'])

/** Takes the rows of one checkpoint. */
class Content {
  readonly snapshot = new Snapshot()
  readonly sidecars: Sidecar[] = []
  private readonly counts = new Map<string, number>()
  private readonly checkpoint: Checkpoint
  private readonly report: Report
  private inline_files = 0
  private crowded_rows = 0
  private twice: LiveFile | null = null
  private on_both_sides: LiveFile | null = null
  private removes_with_stats = 0
  private removed_domains = 0
  private metadata_version: bigint | undefined

  constructor(checkpoint: Checkpoint, report: Report) {
    this.checkpoint = checkpoint
    this.report = report
  }

  take(row: JsonObject): void {
    const present = Object.entries(row).filter(([, value]) => isJsonObject(value))
    if (present.length > 1) this.crowded_rows += 1
    for (const [name, value] of present) {
      if (!isJsonObject(value)) continue
      this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
      if (FILE_ACTIONS.has(name)) this.inline_files += 1
      this.takeAction(name, value)
    }
  }

  /** A sidecar holds file actions only. */
  takeFromSidecar(row: JsonObject): void {
    for (const [name, value] of Object.entries(row)) {
      if (!isJsonObject(value)) continue
      if (FILE_ACTIONS.has(name)) this.takeAction(name, value)
      else this.counts.set('misplaced', (this.counts.get('misplaced') ?? 0) + 1)
    }
  }

  private takeAction(name: string, value: JsonObject): void {
    const { snapshot } = this
    switch (name) {
      case 'add':
        return this.takeAdd(fileOf(value))
      case 'remove':
        if ((value['stats'] ?? null) !== null || (value['tags'] ?? null) !== null)
          this.removes_with_stats += 1
        return this.takeRemove(fileOf(value))
      case 'protocol':
        return snapshot.setProtocol(value)
      case 'metaData':
        return snapshot.setMetadata(value)
      case 'txn':
        return snapshot.setTxn(value)
      case 'domainMetadata':
        if (value['removed'] === true) this.removed_domains += 1
        return snapshot.setDomain(value)
      case 'checkpointMetadata':
        this.metadata_version = toBigInt(value['version'])
        return undefined
      case 'sidecar': {
        const { path } = value
        if (typeof path === 'string') this.sidecars.push({ path, size: toBigInt(value['sizeInBytes']) })
        else this.report('DL-805', { detail: 'expected sidecar.path to be a string' })
        return undefined
      }
      default:
        return undefined
    }
  }

  private takeAdd(file: LiveFile | null): void {
    if (file === null) return
    const key = keyOf(file)
    if (this.snapshot.live.has(key)) this.twice ??= file
    if (this.snapshot.tombstones.has(key)) this.on_both_sides ??= file
    this.snapshot.live.set(key, file)
    this.snapshot.by_path.set(file.path, key)
    this.snapshot.bytes += file.size
  }

  private takeRemove(file: LiveFile | null): void {
    if (file === null) return
    const key = keyOf(file)
    if (this.snapshot.live.has(key)) this.on_both_sides ??= file
    this.snapshot.tombstones.add(key)
  }

  check(): void {
    const count = (name: string): number => this.counts.get(name) ?? 0
    for (const name of ['protocol', 'metaData']) {
      if (count(name) !== 1) this.report('DL-808', { detail: `expected one ${name}, saw ${count(name)}` })
    }
    if (this.twice !== null) {
      this.report('DL-811', { detail: `expected one add of ${quoted(this.twice.path)}, saw another` })
    }
    if (this.on_both_sides !== null) {
      this.report('DL-811', { detail: `saw ${quoted(this.on_both_sides.path)} in an add and in a remove` })
    }
    if (this.crowded_rows > 0) {
      this.report('DL-807', { detail: `expected one action on a row, saw more on ${this.crowded_rows}` })
    }
    const foreign = ['commitInfo', 'cdc'].filter((name) => count(name) > 0)
    if (foreign.length > 0) this.report('DL-807', { detail: `expected no ${foreign.join(' and no ')}` })
    if (this.removed_domains > 0) this.report('DL-807', { detail: 'expected no removed domainMetadata' })
    if (this.removes_with_stats > 0)
      this.report('DL-807', { detail: 'expected removes without stats and tags' })
    this.checkV2(count('checkpointMetadata'), count('misplaced'))
  }

  private checkV2(metadata_rows: number, misplaced: number): void {
    const { kind, version } = this.checkpoint
    const { protocol } = this.snapshot
    const must_be_v2 = kind === 'uuid_json' || kind === 'uuid_parquet'
    if (metadata_rows === 0 && !must_be_v2) {
      if (this.sidecars.length > 0)
        this.report('DL-806', { detail: 'expected no sidecar in a V1 checkpoint' })
      return
    }
    if (kind === 'parts') {
      this.report('DL-806', { detail: 'expected no checkpointMetadata in a multi-part checkpoint' })
      return
    }
    if (metadata_rows !== 1 || this.metadata_version !== BigInt(version)) {
      const seen = metadata_rows === 1 ? `version ${this.metadata_version}` : `${metadata_rows} of them`
      this.report('DL-803', {
        detail: `expected one checkpointMetadata with version ${version}, saw ${seen}`,
      })
    }
    if (protocol !== null && !supports(protocol, 'v2Checkpoint')) {
      this.report('DL-803', { detail: 'expected feature "v2Checkpoint", saw none' })
    }
    if (this.sidecars.length > 0 && this.inline_files > 0) {
      this.report('DL-804', {
        detail: `expected all file actions in sidecars, saw ${this.inline_files} inline`,
      })
    }
    if (misplaced > 0) {
      this.report('DL-804', { detail: `expected file actions only in sidecars, saw ${misplaced} others` })
    }
  }
}
