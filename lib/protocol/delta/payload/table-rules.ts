/**
 * Rules that hold between the actions of one payload when it brings its own `metaData` or `protocol`
 * (spec/delta-log-rules.md 14 A): in-commit timestamps, catalog-managed tables, deletion vectors. What the table
 * already is stays unknown here; that is checked when a version is reserved (14 B).
 */
import type { JsonObject } from '../../json.ts'
import { toBigInt } from './fields.ts'
import type { FindingList } from './findings.ts'
import { isReaderWriterFeature, isWriterFeature } from './protocol.ts'
import type { TableProtocol } from './protocol.ts'

const ICT_ENABLED = 'delta.enableInCommitTimestamps'

/** An action with its place. */
export interface Placed<T> {
  readonly value: T
  readonly line: number
}

/** What one payload says, as far as these rules need it. */
export interface PayloadFacts {
  readonly protocol: Placed<TableProtocol> | undefined
  /** `metaData.configuration`. */
  readonly configuration: Placed<JsonObject> | undefined
  readonly commitInfo: Placed<JsonObject> | undefined
  readonly first_line: number | undefined
  readonly absolute_path_lines: readonly number[]
  readonly deletion_vector_lines: readonly number[]
  /** Refuse absolute paths whatever the table is (S24). */
  readonly refuses_absolute_paths: boolean
}

/** Report what the actions of a payload say against each other. */
export function checkTableRules(findings: FindingList, facts: PayloadFacts): void {
  const { protocol } = facts
  const is_catalog_managed = protocol !== undefined && isReaderWriterFeature(protocol.value, 'catalogManaged')
  if (is_catalog_managed || activatesTimestamps(facts)) checkTimestamps(findings, facts)
  if (is_catalog_managed) checkCatalogManaged(findings, facts, protocol)
  checkAbsolutePaths(findings, facts, is_catalog_managed)
  checkDeletionVectors(findings, facts)
}

/** Whether the payload itself switches in-commit timestamps on; either half alone may be about another table state. */
function activatesTimestamps({ protocol, configuration }: PayloadFacts): boolean {
  const is_supported = protocol !== undefined && isWriterFeature(protocol.value, 'inCommitTimestamp')
  return is_supported && configuration?.value[ICT_ENABLED] === 'true'
}

function checkTimestamps(findings: FindingList, { commitInfo, first_line }: PayloadFacts): void {
  if (commitInfo === undefined) {
    findings.error('DL-601', 'expected commitInfo, because in-commit timestamps are on')
    return
  }
  if (commitInfo.line !== first_line) {
    findings.error(
      'DL-602',
      'expected commitInfo first, because in-commit timestamps are on',
      commitInfo.line,
    )
  }
  const timestamp = inCommitTimestamp(commitInfo.value)
  if (timestamp !== null && timestamp > 0n) return
  findings.error('DL-603', 'expected commitInfo.inCommitTimestamp to be an integer above 0', commitInfo.line)
}

function checkCatalogManaged(
  findings: FindingList,
  { configuration, commitInfo }: PayloadFacts,
  protocol: Placed<TableProtocol>,
): void {
  if (!isWriterFeature(protocol.value, 'inCommitTimestamp')) {
    findings.error('DL-701', 'expected feature "inCommitTimestamp" beside "catalogManaged"', protocol.line)
  }
  if (configuration !== undefined && configuration.value[ICT_ENABLED] !== 'true') {
    findings.error(
      'DL-701',
      `expected ${ICT_ENABLED} = "true" in a catalog-managed table`,
      configuration.line,
    )
  }
  const txnId = commitInfo?.value['txnId']
  if (typeof txnId === 'string' && txnId !== '') return
  findings.error(
    'DL-702',
    'expected a non-empty commitInfo.txnId in a catalog-managed table',
    commitInfo?.line,
  )
}

function checkAbsolutePaths(findings: FindingList, facts: PayloadFacts, is_catalog_managed: boolean): void {
  const what = 'an absolute path is never checked or deleted by the coordinator'
  for (const line of facts.absolute_path_lines) {
    if (is_catalog_managed) {
      findings.error(
        'DL-405',
        'expected a relative path in a catalog-managed table, saw an absolute one',
        line,
      )
    } else if (facts.refuses_absolute_paths) {
      findings.error(
        'DL-405',
        'expected a relative path (policy of this deployment), saw an absolute one',
        line,
      )
    } else findings.tally('DL-405', 'warn', what, line)
  }
}

function checkDeletionVectors(
  findings: FindingList,
  { protocol, deletion_vector_lines }: PayloadFacts,
): void {
  if (protocol === undefined || isReaderWriterFeature(protocol.value, 'deletionVectors')) return
  for (const line of deletion_vector_lines) {
    findings.error('DL-340', 'expected feature "deletionVectors" in both lists of the protocol', line)
  }
}

/** The in-commit timestamp of a commit, whatever the table makes of it; null when there is no integer. */
export function inCommitTimestamp(commitInfo: JsonObject): bigint | null {
  return toBigInt(commitInfo['inCommitTimestamp']) ?? null
}
