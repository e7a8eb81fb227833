/** What the names in a log directory say without a byte being read: holes, a lost beginning, leftovers. */
import { logPath } from '../../paths.ts'
import type { TableFindings } from './findings.ts'
import { isComplete, latestVersion, type Checkpoint, type LogSurvey } from './survey.ts'

/** Report what is wrong with the names alone. `ict_is_on`: commit times matter, so a lost entry does (DL-801). */
export function checkNames(survey: LogSurvey, findings: TableFindings, ict_is_on: boolean): void {
  for (const { path } of survey.misnamed) {
    findings.report('DL-101', { path, detail: 'expected 20 digits before .json' })
  }
  if (!survey.complete) {
    findings.report('TM-901', {
      path: `${survey.root}/_delta_log`,
      detail: 'the directory holds too many objects',
    })
  }
  const usable = survey.checkpoints.filter(isComplete)
  checkBeginning(survey, usable, findings)
  checkHoles(survey, usable, findings)
  checkUnpublished(survey, usable, findings)
  checkOldest(survey, usable, findings, ict_is_on)
}

/** A log that starts above 0 needs a checkpoint that leads into it. */
function checkBeginning(
  { commits, checkpoints, root }: LogSurvey,
  usable: readonly Checkpoint[],
  findings: TableFindings,
): void {
  const [first] = commits
  if (first === undefined || first === 0) return
  const place = { version: first, path: `${root}/_delta_log` }
  if (checkpoints.length === 0) {
    findings.report('DL-352', {
      ...place,
      detail: `expected version 0 or a checkpoint, saw a log from ${first} on`,
    })
    return
  }
  const base = usable.find(({ version }) => version >= first - 1)
  if (base === undefined) {
    findings.report('DL-1110', {
      ...place,
      detail: `expected a complete checkpoint from ${first - 1} on, saw none`,
    })
  } else if (base.version > first) {
    findings.report('DL-1112', {
      ...place,
      detail: `entries from ${first} on lie before the oldest checkpoint, ${base.version}`,
    })
  }
}

/**
 * A hole below the oldest retained checkpoint is what cleanup leaves (DL-1111), from version 0 up; while version 0 is
 * there, nothing was cleaned up, and time travel ends at the hole.
 */
function checkHoles(
  { commits, root }: LogSurvey,
  usable: readonly Checkpoint[],
  findings: TableFindings,
): void {
  const oldest = usable[0]?.version ?? -1
  for (const [index, version] of commits.entries()) {
    const after = commits[index + 1]
    if (after === undefined || after === version + 1) continue
    const is_covered = after - 1 <= oldest
    if (is_covered && commits[0] !== 0) continue
    const missing =
      after === version + 2 ? `version ${version + 1}` : `versions ${version + 1} to ${after - 1}`
    findings.report('DL-501', {
      severity: is_covered ? 'warn' : 'error',
      version: version + 1,
      path: logPath(root, version + 1),
      detail: `expected ${missing}, saw none`,
    })
  }
}

function checkUnpublished(survey: LogSurvey, usable: readonly Checkpoint[], findings: TableFindings): void {
  const latest = survey.commits.at(-1)
  if (latest === undefined) return
  const ahead = [
    ...usable.map(({ version, files }) => ({ version, path: files[0]?.path ?? '' })),
    ...survey.compactions,
  ].filter(({ version }) => version > latest)
  for (const { version, path } of ahead) {
    findings.report('DL-709', { version, path, detail: `expected a version up to ${latest}, saw ${version}` })
  }
}

function checkOldest(
  survey: LogSurvey,
  [oldest]: readonly Checkpoint[],
  findings: TableFindings,
  ict_is_on: boolean,
): void {
  if (oldest === undefined || survey.commit_files.has(oldest.version)) return
  const is_reachable = (survey.commits[0] ?? oldest.version) <= oldest.version + 1
  if (!is_reachable || oldest.version > latestVersion(survey)) return
  findings.report('DL-801', {
    severity: ict_is_on ? 'warn' : 'info',
    version: oldest.version,
    path: oldest.files[0]?.path ?? '',
    detail: `expected entry ${oldest.version} beside its checkpoint, saw none`,
  })
}
