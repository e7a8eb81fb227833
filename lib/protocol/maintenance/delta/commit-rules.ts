/** What one commit may say of the table as it was before (spec/delta-log-rules.md 14 B and C). */
import { checkPath } from '../../delta/payload/path.ts'
import { quoted } from '../../delta/payload/findings.ts'
import { isReaderWriterFeature, type TableProtocol } from '../../delta/payload/protocol.ts'
import { toBigInt } from '../../delta/payload/fields.ts'
import { inCommitTimestamp } from '../../delta/payload/table-rules.ts'
import { isJsonObject, type JsonObject } from '../../json.ts'
import type { Occurrence } from '../finding.ts'
import type { CommitActions } from './commit-file.ts'
import type { TableFindings, TableRuleId } from './findings.ts'
import { fileOf, keyOf, type Snapshot } from './snapshot.ts'
import {
  isCatalogManaged,
  metadataOf,
  protocolOf,
  supports,
  unknownFeatures,
  type TableMetadata,
} from './table-protocol.ts'

/** One commit about to be applied. */
export interface CommitCase {
  readonly table_id: string
  readonly version: number
  readonly path: string
  readonly actions: CommitActions
  /** The table before. */
  readonly before: Snapshot
  /** Store or process clock, for times in the future. */
  readonly now_ms: number
}

/** A commit with the protocol and the metadata that hold from it on, its own included. */
interface Case extends CommitCase {
  readonly protocol: TableProtocol | null
  readonly metadata: TableMetadata | null
  report(rule: TableRuleId, occurrence: Occurrence): void
}

/** Check a commit against the table; returns its in-commit timestamp where the feature is on. */
export function checkCommit(commit: CommitCase, findings: TableFindings): bigint | null {
  const { actions, before, path, version } = commit
  const it: Case = {
    ...commit,
    protocol: actions.protocol === null ? before.protocol : protocolOf(actions.protocol),
    metadata: actions.metaData === null ? before.metadata : metadataOf(actions.metaData),
    report: (rule, occurrence) => findings.report(rule, { path, version, ...occurrence }),
  }
  // What stands on a line that cannot be read is not missing.
  if (version === 0 && actions.is_legible) checkFirst(it)
  if (actions.protocol !== null) checkProtocolChange(it, protocolOf(actions.protocol))
  if (actions.metaData !== null) checkMetadataChange(it, metadataOf(actions.metaData))
  if (isCatalogManaged(it.protocol)) checkCatalogManaged(it)
  checkRemoves(it)
  checkAdds(it)
  return checkTimestamp(it)
}

function checkFirst({ actions, report }: Case): void {
  if (actions.metaData === null) report('DL-350', { detail: 'expected metaData in version 0, saw none' })
  if (actions.protocol === null) report('DL-350', { detail: 'expected protocol in version 0, saw none' })
  if (actions.removes.length > 0) {
    report('DL-351', { detail: `expected no remove in version 0, saw ${actions.removes.length}` })
  }
}

function checkProtocolChange({ before, report }: Case, protocol: TableProtocol): void {
  const unknown = unknownFeatures(protocol)
  if (unknown.length > 0) report('DL-327', { detail: `unknown features: ${unknown.map(quoted).join(', ')}` })
  const old = before.protocol
  if (old === null) return
  const lost = [...old.readerFeatures, ...old.writerFeatures].filter(
    (feature) => ![...protocol.readerFeatures, ...protocol.writerFeatures].includes(feature),
  )
  if (protocol.reader < old.reader || protocol.writer < old.writer) {
    const [was, is] = [`${old.reader}/${old.writer}`, `${protocol.reader}/${protocol.writer}`]
    report('DL-326', { detail: `expected at least protocol ${was}, saw ${is}` })
  } else if (lost.length > 0) {
    report('DL-326', {
      detail: `expected the features of before, missing ${[...new Set(lost)].map(quoted).join(', ')}`,
    })
  }
}

const TABLE_ID_KEYS = ['io.unitycatalog.tableId', 'ucTableId', 'catalogManaged.unityCatalog.tableId']

const ENABLED_VERSION = 'delta.inCommitTimestampEnablementVersion'
const ENABLED_TIMESTAMP = 'delta.inCommitTimestampEnablementTimestamp'

function checkMetadataChange(it: Case, metadata: TableMetadata): void {
  const { before, report, protocol, actions, table_id } = it
  const { configuration } = metadata
  const old_id = before.metadata?.id ?? null
  const operation = actions.commitInfo?.['operation']
  const is_meant = typeof operation === 'string' && /REPLACE|RESTORE/i.test(operation)
  const is_managed = isCatalogManaged(protocol)
  if (old_id !== null && metadata.id !== old_id && (is_managed || !is_meant)) {
    report('DL-316', {
      severity: is_managed ? 'error' : 'warn',
      detail: `expected metaData.id ${quoted(old_id)}, saw ${quoted(metadata.id ?? '')}`,
    })
  }
  const named = is_managed ? TABLE_ID_KEYS.find((key) => typeof configuration[key] === 'string') : undefined
  if (named !== undefined && configuration[named] !== table_id) {
    report('DL-317', { detail: `expected ${named} to be ${table_id}` })
  }
  if ((configuration[ENABLED_VERSION] === undefined) !== (configuration[ENABLED_TIMESTAMP] === undefined)) {
    report('DL-606', { detail: `expected both or neither of ${ENABLED_VERSION} and ${ENABLED_TIMESTAMP}` })
  }
}

function checkCatalogManaged(it: Case): void {
  const { metadata, protocol, before, actions, report } = it
  if (!timestampsAreOn(protocol, metadata)) {
    report('DL-701', { detail: 'expected in-commit timestamps to be on in a catalog-managed table' })
  }
  const txnId = actions.commitInfo?.['txnId']
  if (actions.commitInfo === null && !actions.is_legible) return
  if (typeof txnId !== 'string' || txnId === '') {
    report('DL-702', { detail: 'expected a non-empty commitInfo.txnId' })
  } else if (before.txn_ids.has(txnId)) {
    report('DL-702', {
      severity: 'warn',
      detail: 'expected a txnId of its own, saw that of an earlier commit',
    })
  }
}

function checkRemoves(it: Case): void {
  const { actions, before, metadata, protocol, report } = it
  const is_append_only =
    supports(protocol, 'appendOnly') && metadata?.configuration['delta.appendOnly'] === 'true'
  for (const action of actions.removes) {
    const file = fileOf(action)
    if (file === null) continue
    if (is_append_only && action['dataChange'] === true) {
      report('DL-341', { detail: `expected no removal of data, saw ${quoted(file.path)} removed` })
    }
    checkVectorFeature(it, file.path, action)
    checkAbsolute(it, file.path)
    if (!before.is_whole || before.live.has(keyOf(file))) continue
    const spelling = otherSpellings(file.path).find((path) => before.at(path) !== undefined)
    report('DL-345', {
      severity: spelling === undefined ? 'info' : 'warn',
      detail:
        spelling === undefined
          ? `${quoted(file.path)} was not live`
          : `expected the spelling ${quoted(spelling)} of a live file, saw ${quoted(file.path)}`,
    })
  }
}

function otherSpellings(path: string): readonly string[] {
  try {
    return [decodeURIComponent(path), encodeURI(path)].filter((other) => other !== path)
  } catch {
    return []
  }
}

function checkAdds(it: Case): void {
  const { actions, before, metadata, protocol, version, report } = it
  const removed = new Set(actions.removes.map(fileOf).map((file) => (file === null ? '' : keyOf(file))))
  const removed_paths = new Set(actions.removes.map(({ path }) => path))
  const has_row_ids = supports(protocol, 'rowTracking')
  let unchanged = 0
  for (const action of actions.adds) {
    const file = fileOf(action)
    if (file === null) continue
    if (metadata !== null) checkPartitionKeys(it, file.path, action, metadata)
    checkVectorFeature(it, file.path, action)
    checkAbsolute(it, file.path)
    const old = before.at(file.path)
    if (old !== undefined && keyOf(old) !== keyOf(file) && !removed.has(keyOf(old))) {
      report('DL-343', {
        detail: `expected a remove of ${quoted(file.path)} with its former deletion vector`,
      })
    }
    if (has_row_ids) {
      checkRowIds(it, file.path, action, old === undefined && !removed_paths.has(file.path) ? version : null)
    }
    if (action['dataChange'] === false) unchanged += 1
  }
  if (unchanged > 0 && actions.removes.length === 0) {
    report('DL-346', { detail: `${unchanged} adds with dataChange = false, and no remove` })
  }
}

function checkPartitionKeys(
  { report }: Case,
  path: string,
  action: JsonObject,
  metadata: TableMetadata,
): void {
  const values = action['partitionValues']
  if (!isJsonObject(values)) return
  const expected = metadata.partition_keys
  const seen = Object.keys(values)
  if (seen.length === expected.size && seen.every((key) => expected.has(key))) return
  const names = (keys: Iterable<string>): string => `[${[...keys].map(quoted).join(', ')}]`
  report('DL-337', {
    detail: `expected partitionValues of ${quoted(path)} for ${names(expected)}, saw ${names(seen)}`,
  })
}

function checkVectorFeature({ protocol, report }: Case, path: string, action: JsonObject): void {
  if (!isJsonObject(action['deletionVector'])) return
  // Without a protocol the beginning is gone, or is DL-350.
  if (protocol === null || isReaderWriterFeature(protocol, 'deletionVectors')) return
  report('DL-340', {
    detail: `expected feature "deletionVectors" in both lists, because ${quoted(path)} has a vector`,
  })
}

function checkAbsolute({ protocol, report }: Case, path: string): void {
  if (checkPath(path).kind !== 'absolute') return
  report('DL-405', {
    severity: isCatalogManaged(protocol) ? 'error' : 'warn',
    detail: `expected a relative path, saw ${quoted(path)}`,
  })
}

/** `new_in`: the version that a file which was not there before must name. */
function checkRowIds({ report }: Case, path: string, action: JsonObject, new_in: number | null): void {
  const row_id = toBigInt(action['baseRowId'])
  const row_version = toBigInt(action['defaultRowCommitVersion'])
  if (row_id === undefined || row_version === undefined) {
    report('DL-342', { detail: `expected baseRowId and defaultRowCommitVersion on ${quoted(path)}` })
  } else if (new_in !== null && row_version !== BigInt(new_in)) {
    report('DL-342', {
      detail: `expected defaultRowCommitVersion ${new_in} on ${quoted(path)}, saw ${row_version}`,
    })
  }
}

/** Whether in-commit timestamps are on (spec/delta-log-rules.md 6). */
export function timestampsAreOn(protocol: TableProtocol | null, metadata: TableMetadata | null): boolean {
  return (
    supports(protocol, 'inCommitTimestamp') &&
    metadata?.configuration['delta.enableInCommitTimestamps'] === 'true'
  )
}

const HOUR_MS = 3_600_000

function checkTimestamp(it: Case): bigint | null {
  const { protocol, metadata, before, actions, version, now_ms, report } = it
  if (!timestampsAreOn(protocol, metadata)) return null
  if (actions.commitInfo === null) {
    if (actions.is_legible) {
      report('DL-601', { detail: 'expected commitInfo, because in-commit timestamps are on' })
    }
    return null
  }
  if (!actions.info_first) {
    report('DL-602', { detail: 'expected commitInfo first, because in-commit timestamps are on' })
  }
  const ict = inCommitTimestamp(actions.commitInfo)
  if (ict === null || ict <= 0n) {
    report('DL-603', { detail: 'expected commitInfo.inCommitTimestamp to be an integer above 0' })
    return null
  }
  if (before.ict !== null && ict <= before.ict) {
    report('DL-604', { detail: `expected inCommitTimestamp above ${before.ict}, saw ${ict}` })
  }
  if (ict > BigInt(now_ms + HOUR_MS)) {
    report('DL-607', { detail: `expected inCommitTimestamp before ${now_ms + HOUR_MS}, saw ${ict}` })
  }
  const is_switched_on =
    version > 0 && before.metadata !== null && !timestampsAreOn(before.protocol, before.metadata)
  if (is_switched_on) checkEnablement(it, ict)
  return ict
}

function checkEnablement({ metadata, version, report }: Case, ict: bigint): void {
  const configuration = metadata?.configuration ?? {}
  const is_named =
    configuration[ENABLED_VERSION] === String(version) && configuration[ENABLED_TIMESTAMP] === String(ict)
  if (!is_named) {
    report('DL-605', {
      detail: `expected ${ENABLED_VERSION} = "${version}" and ${ENABLED_TIMESTAMP} = "${ict}"`,
    })
  }
}
