/** Rules over `add`, `remove` and `cdc` of one commit (spec/delta-log-rules.md 3.3–3.5, 3.9). */
import { checkDeletionVector } from './deletion-vector.ts'
import type { DeletionVector } from './deletion-vector.ts'
import type { Fields } from './fields.ts'
import { quoted } from './findings.ts'
import { checkPath } from './path.ts'
import { readStats } from './stats.ts'

/** Sums for the summary; `null` sizes of removes count as nothing. */
export interface FileTotals {
  adds: number
  removes: number
  bytesAdded: bigint
  bytesRemoved: bigint
}

/** Takes the file actions of one payload, one after the other. */
export class FileActions {
  readonly totals: FileTotals = { adds: 0, removes: 0, bytesAdded: 0n, bytesRemoved: 0n }
  /** Lines with an absolute path: what they come to depends on the whole payload (DL-405). */
  readonly absolute_path_lines: number[] = []
  /** Lines with a deletion vector, for DL-340. */
  readonly deletion_vector_lines: number[] = []
  private readonly addPaths = new Set<string>()
  private readonly removePaths = new Set<string>()
  private readonly addedFiles = new Set<string>()
  private readonly removedFiles = new Set<string>()

  add(fields: Fields): void {
    const path = this.path(fields)
    fields.map('partitionValues', 'required', 'DL-337')
    const size = checkSize(fields, fields.int64('size', 'required'))
    checkTime(fields, fields.int64('modificationTime', 'required'))
    fields.bool('dataChange', 'required')
    const stats = fields.string('stats', 'optional')
    checkSharedOptionals(fields)
    fields.string('clusteringProvider', 'optional')
    const vector = this.deletionVector(fields)
    checkStats(fields, stats, vector)
    this.totals.adds += 1
    this.totals.bytesAdded += size ?? 0n
    if (path === undefined) return
    if (repeats(this.addPaths, path))
      fields.error(`expected one add for each path, saw ${quoted(path)} again`, 'DL-330')
    this.pair(fields, { file: fileKey(path, vector), path, mine: this.addedFiles, others: this.removedFiles })
  }

  remove(fields: Fields): void {
    const path = this.path(fields)
    fields.bool('dataChange', 'required')
    fields.int64('deletionTimestamp', 'optional')
    const partitionValues = fields.map('partitionValues', 'optional', 'DL-337')
    const size = checkSize(fields, fields.int64('size', 'optional'))
    const is_extended = fields.bool('extendedFileMetadata', 'optional') ?? false
    if (is_extended && (partitionValues === undefined || size === undefined)) {
      fields.warn('DL-336', 'expected partitionValues and size with extendedFileMetadata = true')
    }
    fields.string('stats', 'optional')
    checkSharedOptionals(fields)
    const vector = this.deletionVector(fields)
    this.totals.removes += 1
    this.totals.bytesRemoved += size ?? 0n
    if (path === undefined) return
    if (repeats(this.removePaths, path)) {
      fields.error(`expected one remove for each path, saw ${quoted(path)} again`, 'DL-331')
    }
    this.pair(fields, { file: fileKey(path, vector), path, mine: this.removedFiles, others: this.addedFiles })
  }

  cdc(fields: Fields): void {
    this.path(fields)
    fields.map('partitionValues', 'required', 'DL-337')
    checkSize(fields, fields.int64('size', 'required'))
    fields.map('tags', 'optional')
    if (fields.bool('dataChange', 'required') === true)
      fields.error('expected cdc.dataChange to be false, saw true')
  }

  private path(fields: Fields): string | undefined {
    const path = fields.string('path', 'required')
    if (path === undefined) return undefined
    const check = checkPath(path)
    if (check.kind === 'invalid') {
      fields.error(`${fields.name}.path: ${check.problem}, saw ${quoted(path)}`, check.rule)
    } else if (check.kind === 'absolute') this.absolute_path_lines.push(fields.line)
    return path
  }

  private deletionVector(fields: Fields): DeletionVector | undefined {
    const nested = fields.nested('deletionVector', 'optional', 'DL-1201')
    if (nested === undefined) return undefined
    this.deletion_vector_lines.push(fields.line)
    return checkDeletionVector(nested)
  }

  /** The same file on both sides is an error; the same path with another vector is how rows are deleted (DL-333). */
  private pair(
    fields: Fields,
    { file, path, mine, others }: { file: string; path: string; mine: Set<string>; others: Set<string> },
  ): void {
    mine.add(file)
    if (!others.has(file)) return
    fields.error(
      `expected ${quoted(path)} with one deletion vector on one side, saw it added and removed`,
      'DL-332',
    )
  }
}

function checkSharedOptionals(fields: Fields): void {
  fields.map('tags', 'optional')
  fields.int64('baseRowId', 'optional')
  fields.int64('defaultRowCommitVersion', 'optional')
}

function checkSize(fields: Fields, size: bigint | undefined): bigint | undefined {
  if (size === undefined || size > 0n) return size
  if (size < 0n) fields.error(`expected ${fields.name}.size to be at least 0, saw ${size}`, 'DL-335')
  else fields.findings.tally('DL-335', 'warn', 'a file of size 0 is suspicious', fields.line)
  return size
}

function checkTime(fields: Fields, modificationTime: bigint | undefined): void {
  if (modificationTime === undefined || modificationTime >= 0n) return
  fields.error(`expected ${fields.name}.modificationTime to be at least 0, saw ${modificationTime}`, 'DL-335')
}

function checkStats(fields: Fields, text: string | undefined, vector: DeletionVector | undefined): void {
  const { numRecords, problem } = readStats(text)
  if (problem !== undefined) fields.warn('DL-338', problem)
  if (vector === undefined) return
  if (numRecords === undefined) fields.error('expected stats.numRecords beside a deletion vector', 'DL-339')
  else if (vector.cardinality !== undefined && vector.cardinality > numRecords) {
    fields.error(
      `expected cardinality to be at most numRecords ${numRecords}, saw ${vector.cardinality}`,
      'DL-339',
    )
  }
}

function repeats(seen: Set<string>, path: string): boolean {
  if (seen.has(path)) return true
  seen.add(path)
  return false
}

/** NUL cannot occur in a legal path. */
function fileKey(path: string, vector: DeletionVector | undefined): string {
  return `${path}\0${vector?.id ?? ''}`
}
