/**
 * Replay of a log from its beginning, every entry checked against the table before it, every checkpoint, checksum and
 * compaction against the table at its version (spec/delta-log-rules.md 5 and 14 C). One page is a range of versions; the
 * next one starts from the newest checkpoint below it, so that a page costs what it checks and little more.
 */
import { OWNER_COMMIT_ID } from '../../delta/objects.ts'
import { inCommitTimestamp } from '../../delta/payload/table-rules.ts'
import { markerPath } from '../../paths.ts'
import { allOf, type Maintenance } from '../effects.ts'
import { checkChecksum } from './checksum.ts'
import { checkCommit, timestampsAreOn } from './commit-rules.ts'
import { noActions, readCommit, type CommitActions } from './commit-file.ts'
import { readCheckpoint } from './checkpoint.ts'
import { checkCompaction } from './compaction.ts'
import { differences } from './compare.ts'
import { TableFindings } from './findings.ts'
import { readObject, readObjects, type ReadObject } from './read.ts'
import { Snapshot } from './snapshot.ts'
import { isComplete, type Checkpoint, type Compaction, type LogSurvey } from './survey.ts'

/** What a page of the log is checked with. */
export interface LogWork {
  readonly table_id: string
  readonly survey: LogSurvey
  readonly findings: TableFindings
  readonly now_ms: number
  /** The latest version that was finalized before the log was listed: of later ones the marker may be on its way. */
  readonly finalized: number
  /** The version of the last commit that the state holds; its marker is asked for with the state. */
  readonly last_commit: number | null
  /** Objects that may still be read; a page ends between two versions once it is used up. */
  readonly budget: { reads: number }
}

/** The next page starts here; null when the log has been checked to its end. */
export type LogCursor = number | null

/** Commits that are read together, and how many bytes of them. */
const BATCH_COMMITS = 32
const BATCH_BYTES = 16 * 1024 * 1024

/** Check versions from `from` on. */
export function* checkLog(work: LogWork, from: number): Maintenance<LogCursor> {
  const { survey, budget } = work
  const copies = copiesOf(survey)
  const replay = yield* snapshotBefore(work, from)
  const stops = stopsOf(survey).filter((version) => version >= from)
  for (const batch of batchesOf(stops, survey, budget)) {
    if (budget.reads <= 0) return batch[0] ?? null
    const files = yield* readCommits(work, batch)
    yield* checkMarkers(work, files)
    for (const version of batch)
      yield* checkVersion(work, replay, copiesAt(copies, version), files.get(version))
  }
  return null
}

/** The table as it is at its latest version, nothing checked; for what is done with its live files. */
export function* latestSnapshot(work: LogWork): Maintenance<Snapshot> {
  return (yield* snapshotBefore(work, Number.MAX_SAFE_INTEGER)).snapshot
}

/** Whether the latest metadata has in-commit timestamps on. */
export function hasTimestamps({ protocol, metadata }: Snapshot): boolean {
  return timestampsAreOn(protocol, metadata)
}

/** The table under replay, and the version that comes next. */
interface Replay {
  snapshot: Snapshot
  next: number
}

/** Versions at which there is something to look at, ascending. */
function stopsOf({ commits, checkpoints, checksums, compactions }: LogSurvey): number[] {
  const versions = new Set([
    ...commits,
    ...checkpoints.map(({ version }) => version),
    ...checksums.keys(),
    ...compactions.map(({ version }) => version),
  ])
  return [...versions].toSorted((a, b) => a - b)
}

/** Versions that are looked at together: a few, of bounded size, and no more than the budget allows. */
function* batchesOf(
  stops: readonly number[],
  { commit_files }: LogSurvey,
  budget: { readonly reads: number },
): Generator<readonly number[]> {
  let batch: number[] = []
  let bytes = 0
  for (const version of stops) {
    const size = commit_files.get(version)?.size ?? 0
    const is_full = batch.length >= Math.min(BATCH_COMMITS, budget.reads) || bytes + size > BATCH_BYTES
    if (batch.length > 0 && is_full) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(version)
    bytes += size
  }
  if (batch.length > 0) yield batch
}

function* readCommits(
  { survey, budget, findings }: LogWork,
  versions: readonly number[],
): Maintenance<ReadonlyMap<number, ReadObject>> {
  const present = versions.filter((version) => survey.commit_files.has(version))
  const paths = present.map((version) => survey.commit_files.get(version)?.path ?? '')
  budget.reads -= present.length
  const objects = yield* readObjects(paths, findings)
  return new Map(present.map((version, index) => [version, objects[index] ?? { is: 'absent' as const }]))
}

/** TM-402: an entry that names its owner has a marker, or a replay of that key is told to commit again. */
function* checkMarkers(
  { table_id, finalized, last_commit, findings, budget }: LogWork,
  files: ReadonlyMap<number, ReadObject>,
): Maintenance<void> {
  const owned = [...files].flatMap(([version, object]) => {
    const owner = object.is === 'there' ? object.meta[OWNER_COMMIT_ID] : undefined
    const is_due = version <= finalized && version !== last_commit
    return owner === undefined || !is_due ? [] : [{ version, path: markerPath(table_id, owner) }]
  })
  budget.reads -= owned.length
  const heads = yield* allOf(owned.map(({ path }) => ({ kind: 'head' as const, path })))
  for (const [index, { version, path }] of owned.entries()) {
    const head = heads[index]
    if (head === undefined) continue
    if (head.outcome === 'failed') throw head.error
    if (head.outcome === 'not_found') {
      findings.report('TM-402', {
        version,
        path,
        detail: `expected the marker of entry ${version}, saw none`,
      })
    }
  }
}

/** Checkpoints and compactions by their version. */
interface Copies {
  readonly checkpoints: ReadonlyMap<number, readonly Checkpoint[]>
  readonly compactions: ReadonlyMap<number, readonly Compaction[]>
}

function copiesOf({ checkpoints, compactions }: LogSurvey): Copies {
  return {
    checkpoints: Map.groupBy(checkpoints, ({ version }) => version),
    compactions: Map.groupBy(compactions, ({ version }) => version),
  }
}

/** A version and the copies of the table at it. */
interface Stop {
  readonly version: number
  readonly checkpoints: readonly Checkpoint[]
  readonly compactions: readonly Compaction[]
}

function copiesAt({ checkpoints, compactions }: Copies, version: number): Stop {
  return { version, checkpoints: checkpoints.get(version) ?? [], compactions: compactions.get(version) ?? [] }
}

function* checkVersion(
  work: LogWork,
  replay: Replay,
  { version, checkpoints, compactions }: Stop,
  file: ReadObject | undefined,
): Maintenance<void> {
  const { survey, findings } = work
  const actions = file === undefined ? null : applyCommit(work, replay, version, file)
  for (const checkpoint of checkpoints) {
    yield* checkCheckpoint(work, replay, checkpoint, actions)
  }
  const checksum = survey.checksums.get(version)
  if (checksum !== undefined) {
    work.budget.reads -= 1
    const object = yield* readObject(checksum.path, findings)
    if (object.is === 'there') {
      const at = { path: checksum.path, version, bytes: object.bytes }
      checkChecksum({ ...at, replay: replay.snapshot, actions: actions ?? noActions() }, findings)
    }
  }
  for (const compaction of compactions) {
    work.budget.reads -= compaction.version - compaction.from + 2
    yield* checkCompaction(compaction, survey, findings)
  }
}

/** Check one entry, and go on with the table that it makes. */
function applyCommit(work: LogWork, replay: Replay, version: number, file: ReadObject): CommitActions | null {
  const { survey, findings, table_id, now_ms } = work
  const { snapshot } = replay
  const path = survey.commit_files.get(version)?.path ?? ''
  if (version !== replay.next) snapshot.is_whole = false
  replay.next = version + 1
  if (file.is !== 'there') {
    snapshot.is_whole = false
    return null
  }
  const actions = readCommit(file.bytes, { path, version }, findings)
  const ict = checkCommit({ table_id, version, path, actions, before: snapshot, now_ms }, findings)
  if (!actions.is_legible) snapshot.is_whole = false
  snapshot.apply(actions)
  snapshot.ict = ict
  return actions
}

/** Compare a checkpoint with the replay; where there is none to compare with, go on from the checkpoint. */
function* checkCheckpoint(
  work: LogWork,
  replay: Replay,
  checkpoint: Checkpoint,
  actions: CommitActions | null,
): Maintenance<void> {
  const { survey, findings, budget } = work
  const { version } = checkpoint
  const content = yield* readCheckpoint(survey, checkpoint, findings)
  budget.reads -= content?.reads ?? 1
  if (content === null) return
  if (!replay.snapshot.is_whole || replay.next !== version + 1) {
    adopt(replay, content.snapshot, version, actions)
    return
  }
  for (const detail of differences(replay.snapshot, content.snapshot)) {
    findings.report('DL-810', { version, path: checkpoint.files[0]?.path ?? '', detail })
  }
}

/** `actions`: the entry of the checkpoint's own version, which alone has its in-commit timestamp. */
function adopt(replay: Replay, snapshot: Snapshot, version: number, actions: CommitActions | null): void {
  snapshot.ict = timestampOf(snapshot, actions)
  replay.snapshot = snapshot
  replay.next = version + 1
}

function timestampOf(snapshot: Snapshot, actions: CommitActions | null): bigint | null {
  const info = actions?.commitInfo ?? null
  return info !== null && hasTimestamps(snapshot) ? inCommitTimestamp(info) : null
}

/** The table before a version: from the newest checkpoint that can be read, then by replay; nothing is reported. */
function* snapshotBefore(work: LogWork, from: number): Maintenance<Replay> {
  const { survey } = work
  const replay: Replay = { snapshot: new Snapshot(), next: 0 }
  if (survey.commits[0] !== 0) replay.snapshot.is_whole = false
  if (from === 0) return replay
  const silent: LogWork = { ...work, findings: new TableFindings(work.table_id), budget: { reads: 0 } }
  for (const checkpoint of survey.checkpoints.toReversed()) {
    if (checkpoint.version >= from || !isComplete(checkpoint)) continue
    const content = yield* readCheckpoint(survey, checkpoint, silent.findings)
    if (content === null) continue
    adopt(replay, content.snapshot, checkpoint.version, null)
    break
  }
  const base = replay.next
  // The entry of the checkpoint itself is read again for its in-commit timestamp.
  const stops = survey.commits.filter((version) => version >= base - 1 && version < from)
  for (const batch of batchesOf(stops, survey, { reads: Number.POSITIVE_INFINITY })) {
    const files = yield* readCommits(silent, batch)
    for (const version of batch) {
      const file = files.get(version) ?? { is: 'absent' as const }
      if (version !== base - 1) applyCommit(silent, replay, version, file)
      else if (file.is === 'there') {
        const actions = readCommit(file.bytes, { path: '', version }, silent.findings)
        replay.snapshot.ict = timestampOf(replay.snapshot, actions)
      }
    }
  }
  return replay
}
