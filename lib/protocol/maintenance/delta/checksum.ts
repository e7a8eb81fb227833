/** A version checksum `<v>.crc` against the replay at its version (spec/delta-log-rules.md 10). */
import { toBigInt } from '../../delta/payload/fields.ts'
import { isJsonObject, JsonError, parseJson, type JsonObject, type JsonValue } from '../../json.ts'
import { CLIENT_LIMITS } from '../../delta/payload/limits.ts'
import type { CommitActions } from './commit-file.ts'
import type { TableFindings, TableRuleId } from './findings.ts'
import { fileOf, keyOf, type Snapshot } from './snapshot.ts'
import { sameMetadata, sameProtocol } from './table-protocol.ts'

/** A checksum file and the version it is of. */
export interface ChecksumCase {
  readonly path: string
  readonly version: number
  readonly bytes: Uint8Array
  /** The table at the version. */
  readonly replay: Snapshot
  readonly actions: CommitActions
}

/** Report what a checksum says wrong. */
export function checkChecksum(it: ChecksumCase, findings: TableFindings): void {
  const { path, version, replay, actions } = it
  const report = (rule: TableRuleId, detail: string): void => findings.report(rule, { path, version, detail })
  const checksum = parse(it.bytes, (why) => report('DL-1001', why))
  if (checksum === null) return
  const missing = REQUIRED.filter((name) => (checksum[name] ?? null) === null)
  if (missing.length > 0) report('DL-1001', `expected ${missing.join(', ')}, saw nothing`)
  if (replay.is_whole) checkFiles(checksum, replay, report)
  const { metadata, protocol } = checksum
  if (isJsonObject(protocol) && replay.protocol_action && !sameProtocol(replay.protocol_action, protocol)) {
    report('DL-1003', 'expected the protocol of the log, saw another')
  }
  if (isJsonObject(metadata) && replay.metadata && !sameMetadata(replay.metadata.action, metadata)) {
    report('DL-1003', 'expected the metaData of the log, saw another')
  }
  const ict = toBigInt(checksum['inCommitTimestampOpt']) ?? null
  if (replay.is_whole && ict !== replay.ict) {
    report('DL-1004', `expected inCommitTimestampOpt ${replay.ict ?? 'to be absent'}, saw ${ict ?? 'none'}`)
  }
  const txnId = actions.commitInfo?.['txnId'] ?? null
  if (replay.is_whole && (checksum['txnId'] ?? null) !== null && checksum['txnId'] !== txnId) {
    report('DL-1005', 'expected the txnId of the commit, saw another')
  }
}

const REQUIRED = ['tableSizeBytes', 'numFiles', 'numMetadata', 'numProtocol', 'metadata', 'protocol']

type Report = (rule: TableRuleId, detail: string) => void

function parse(bytes: Uint8Array, report: (why: string) => void): JsonObject | null {
  try {
    const value = parseJson(bytes, CLIENT_LIMITS)
    if (isJsonObject(value)) return value
    report('expected a JSON object')
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    report(error.message)
  }
  return null
}

function checkFiles(checksum: JsonObject, replay: Snapshot, report: Report): void {
  differs(report, 'DL-1002', 'numFiles', checksum['numFiles'], BigInt(replay.live.size))
  differs(report, 'DL-1002', 'tableSizeBytes', checksum['tableSizeBytes'], replay.bytes)
  const vectors = [...replay.live.values()].flatMap(({ vector }) => (vector === null ? [] : [vector]))
  const deleted = vectors.reduce((sum, { cardinality }) => sum + cardinality, 0n)
  differs(
    report,
    'DL-1007',
    'numDeletionVectorsOpt',
    checksum['numDeletionVectorsOpt'],
    BigInt(vectors.length),
  )
  differs(report, 'DL-1007', 'numDeletedRecordsOpt', checksum['numDeletedRecordsOpt'], deleted)
  checkLists(checksum, replay, report)
  // The name in the specification, and the one that Spark writes.
  checkHistogram(checksum['fileSizeHistogram'], replay, report)
  checkHistogram(checksum['histogramOpt'], replay, report)
}

function differs(
  report: Report,
  rule: TableRuleId,
  name: string,
  value: JsonValue | undefined,
  expected: bigint,
): void {
  const seen = toBigInt(value)
  if (seen !== undefined && seen !== expected) report(rule, `expected ${name} ${expected}, saw ${seen}`)
}

function checkLists(checksum: JsonObject, replay: Snapshot, report: Report): void {
  for (const { appId, version } of objectsIn(checksum['setTransactions'])) {
    if (typeof appId === 'string' && replay.txns.get(appId) !== toBigInt(version)) {
      report('DL-1006', 'expected setTransactions as in the log, saw another version')
    }
  }
  for (const { domain, configuration } of objectsIn(checksum['domainMetadata'])) {
    if (typeof domain === 'string' && replay.domains.get(domain) !== configuration) {
      report('DL-1006', 'expected domainMetadata as in the log, saw another')
    }
  }
  const { allFiles } = checksum
  if (!Array.isArray(allFiles)) return
  const files = objectsIn(allFiles).map(fileOf)
  const same =
    files.length === replay.live.size && files.every((file) => file !== null && replay.live.has(keyOf(file)))
  if (!same) report('DL-1006', `expected allFiles to be the ${replay.live.size} live files, saw others`)
}

function checkHistogram(histogram: JsonValue | undefined, replay: Snapshot, report: Report): void {
  if (!isJsonObject(histogram)) return
  const { sortedBinBoundaries, fileCounts, totalBytes } = histogram
  const lists = [sortedBinBoundaries, fileCounts, totalBytes]
  const [boundaries, counts, bytes] = lists.map((list) =>
    Array.isArray(list) ? list.map((item) => toBigInt(item) ?? -1n) : [],
  )
  const sum = (list: readonly bigint[] | undefined): bigint =>
    (list ?? []).reduce((all, each) => all + each, 0n)
  const is_sound =
    boundaries?.[0] === 0n &&
    boundaries.length === counts?.length &&
    boundaries.length === bytes?.length &&
    sum(counts) === BigInt(replay.live.size) &&
    sum(bytes) === replay.bytes
  if (!is_sound) report('DL-1006', 'expected a fileSizeHistogram that adds up to the live files')
}

function objectsIn(value: JsonValue | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : []
}
