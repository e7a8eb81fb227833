/** A copy of a table's state against the replay of its log: checkpoints (DL-810) and compactions (DL-1101). */
import { quoted } from '../../delta/payload/findings.ts'
import type { Snapshot } from './snapshot.ts'
import { sameMetadata, sameProtocol } from './table-protocol.ts'

/** What differs, in words; at most one of each kind. `is_part`: the copy is of a range and need not say everything. */
export function differences(replay: Snapshot, copy: Snapshot, is_part = false): string[] {
  const found: (string | null)[] = [
    fileDifference(replay, copy),
    protocolDifference(replay, copy, is_part),
    metadataDifference(replay, copy, is_part),
    txnDifference(replay, copy),
    domainDifference(replay, copy),
    tombstoneDifference(replay, copy),
  ]
  return found.filter((each) => each !== null)
}

/** What a copy of a live file has to repeat; statistics may be written anew. */
const FILE_MEMBERS = [
  ['size', 'size'],
  ['partition values', 'partition'],
  ['modification time', 'modified_ms'],
] as const

function fileDifference(replay: Snapshot, copy: Snapshot): string | null {
  for (const [key, file] of replay.live) {
    const other = copy.live.get(key)
    if (other === undefined)
      return `expected live file ${quoted(file.path)}, saw none (${counts(replay, copy)})`
    for (const [what, member] of FILE_MEMBERS) {
      if (other[member] !== file[member])
        return `expected the ${what} of ${quoted(file.path)} as in the log, saw another`
    }
  }
  for (const [key, file] of copy.live) {
    if (!replay.live.has(key)) {
      return `expected no live file ${quoted(file.path)}, saw one (${counts(replay, copy)})`
    }
  }
  return null
}

function counts(replay: Snapshot, copy: Snapshot): string {
  return `${replay.live.size} files by the log, ${copy.live.size} here`
}

function protocolDifference(replay: Snapshot, copy: Snapshot, is_part: boolean): string | null {
  const [mine, other] = [replay.protocol_action, copy.protocol_action]
  if (mine === null || other === null) {
    // A checkpoint without one is DL-808; a log without one is DL-350.
    return is_part && mine !== other ? 'expected the protocol of the range, saw another' : null
  }
  return sameProtocol(mine, other) ? null : 'expected the protocol of the log, saw another'
}

function metadataDifference(replay: Snapshot, copy: Snapshot, is_part: boolean): string | null {
  const [mine, other] = [replay.metadata, copy.metadata]
  if (mine === null || other === null) {
    return is_part && mine !== other ? 'expected the metaData of the range, saw another' : null
  }
  return sameMetadata(mine.action, other.action) ? null : 'expected the metaData of the log, saw another'
}

/** Checkpoints may leave out transactions that are older than the table keeps them. */
function txnDifference(replay: Snapshot, copy: Snapshot): string | null {
  const may_expire = replay.metadata?.configuration['delta.setTransactionRetentionDuration'] !== undefined
  for (const [app, version] of replay.txns) {
    const other = copy.txns.get(app)
    if (other === undefined && may_expire) continue
    if (other !== version) return `expected txn version ${version} of ${quoted(app)}, saw ${other ?? 'none'}`
  }
  const extra = [...copy.txns.keys()].find((app) => !replay.txns.has(app))
  return extra === undefined ? null : `expected no txn of ${quoted(extra)}, saw one`
}

function domainDifference(replay: Snapshot, copy: Snapshot): string | null {
  const names = new Set([...replay.domains.keys(), ...copy.domains.keys()])
  for (const name of names) {
    if (replay.domains.get(name) !== copy.domains.get(name)) {
      return `expected domain ${quoted(name)} as in the log, saw another`
    }
  }
  return null
}

/** Expired ones may be gone; one that the log does not have is wrong. */
function tombstoneDifference(replay: Snapshot, copy: Snapshot): string | null {
  for (const key of copy.tombstones) {
    if (!replay.tombstones.has(key)) {
      return `expected no tombstone of ${quoted(key.split('\0')[0] ?? key)}, saw one`
    }
  }
  return null
}
