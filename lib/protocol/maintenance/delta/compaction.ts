/** A log compaction `x.y.compacted.json` against the commits that it stands for (DL-1101). */
import type { Maintenance } from '../effects.ts'
import { readCommit } from './commit-file.ts'
import { differences } from './compare.ts'
import { TableFindings } from './findings.ts'
import { readObject, readObjects } from './read.ts'
import { Snapshot } from './snapshot.ts'
import type { Compaction, LogSurvey } from './survey.ts'

/** Longest range that is read; each commit of it is read once more. */
const RANGE_MAX = 200

/** Compare one compaction with its range; a range that is not there as a whole cannot be compared. */
export function* checkCompaction(
  { path, from, version }: Compaction,
  survey: LogSurvey,
  findings: TableFindings,
): Maintenance<void> {
  const range = survey.commits.filter((each) => each >= from && each <= version)
  if (range.length !== version - from + 1 || range.length > RANGE_MAX) {
    findings.report('TM-901', {
      path,
      version,
      detail: `entries ${from} to ${version} are not all there to compare with`,
    })
    return
  }
  // What is wrong with the entries themselves is reported at their versions.
  const silent = new TableFindings('')
  const replay = new Snapshot()
  const objects = yield* readObjects(
    range.map((each) => survey.commit_files.get(each)?.path ?? ''),
    silent,
  )
  for (const object of objects) {
    if (object.is === 'there') replay.apply(readCommit(object.bytes, { path, version }, silent))
  }
  const compacted = yield* readObject(path, findings)
  if (compacted.is !== 'there') return
  const copy = new Snapshot()
  const actions = readCommit(compacted.bytes, { path, version }, silent)
  copy.apply(actions)
  const found = actions.is_legible ? differences(replay, copy, true) : ['expected lines of JSON objects']
  if (actions.commitInfo !== null) found.push('expected no commitInfo')
  for (const detail of found) findings.report('DL-1101', { path, version, detail })
}
