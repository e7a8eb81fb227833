/** Deep look at what the live files of a table refer to: existence and size, and deletion vectors (DL-1120, DL-1202, DL-1203). */
import { checkPath } from '../../delta/payload/path.ts'
import { quoted } from '../../delta/payload/findings.ts'
import { isValidKey } from '../../paths.ts'
import { allOf, type Maintenance } from '../effects.ts'
import { checkVectorFile, inlineVectorProblem, vectorPath } from './deletion-vectors.ts'
import { latestSnapshot, type LogWork } from './log.ts'
import { readObject } from './read.ts'
import type { LiveFile } from './snapshot.ts'
import { latestVersion } from './survey.ts'

const BATCH_FILES = 64

/** Check live files after a path; returns the path to go on after, or null at the end. */
export function* checkFiles(work: LogWork, after: string | null): Maintenance<string | null> {
  const { budget, findings, survey } = work
  const version = latestVersion(survey)
  if (version === -1) return null
  const snapshot = yield* latestSnapshot(work)
  if (!snapshot.is_whole) {
    findings.report('TM-901', {
      version,
      detail: 'the live files are not known, because the log cannot be replayed',
    })
    return null
  }
  const files = [...snapshot.live.values()].filter(({ path }) => after === null || path > after)
  files.sort((one, other) => (one.path < other.path ? -1 : 1))
  let done = after
  for (let start = 0; start < files.length;) {
    if (budget.reads <= 0) return done ?? ''
    const batch = files.slice(start, start + Math.min(BATCH_FILES, budget.reads))
    start += batch.length
    yield* checkExistence(work, version, batch)
    yield* checkVectors(work, version, batch)
    done = batch.at(-1)?.path ?? done
  }
  return null
}

/** The key of a file of the table, or null for one that is never looked at from here (DL-405) or that no key can name. */
function keyOfFile(root: string, path: string): string | null {
  if (checkPath(path).kind !== 'relative') return null
  const key = `${root}/${decodeURIComponent(path)}`
  return isValidKey(key) ? key : null
}

function* checkExistence(work: LogWork, version: number, files: readonly LiveFile[]): Maintenance<void> {
  const { survey, findings, budget } = work
  const named = files.map((file) => ({ file, key: keyOfFile(survey.root, file.path) }))
  for (const { file, key } of named) {
    if (key === null) {
      findings.report('TM-901', { version, detail: `${quoted(file.path)} cannot be looked at by its key` })
    }
  }
  const known = named.flatMap(({ file, key }) => (key === null ? [] : [{ file, key }]))
  budget.reads -= known.length
  const heads = yield* allOf(known.map(({ key }) => ({ kind: 'head' as const, path: key })))
  for (const [index, { file, key }] of known.entries()) {
    const head = heads[index]
    if (head === undefined) continue
    if (head.outcome === 'failed') throw head.error
    if (head.outcome === 'not_found') {
      findings.report('DL-1120', { version, path: key, detail: 'expected the live file, saw none' })
    } else if (BigInt(head.size) !== file.size) {
      findings.report('DL-1120', {
        version,
        path: key,
        detail: `expected the live file with ${file.size} bytes, saw ${head.size}`,
      })
    }
  }
}

function* checkVectors(work: LogWork, version: number, files: readonly LiveFile[]): Maintenance<void> {
  const { survey, findings, budget } = work
  const with_path = new Map<string, LiveFile[]>()
  for (const file of files) {
    const { vector } = file
    if (vector === null) continue
    const path = vectorPath(vector)
    if (path === null) {
      const problem = inlineVectorProblem(vector, file.records)
      if (problem !== null)
        findings.report(problem.rule, { version, detail: `${quoted(file.path)}: ${problem.why}` })
      continue
    }
    const key = keyOfFile(survey.root, path)
    if (key === null) {
      findings.report('TM-901', {
        version,
        detail: `the vector of ${quoted(file.path)} lies outside of the table`,
      })
    } else with_path.set(key, [...(with_path.get(key) ?? []), file])
  }
  for (const [path, users] of with_path) {
    budget.reads -= 1
    const object = yield* readObject(path, findings)
    if (object.is === 'absent') {
      findings.report('DL-1202', {
        version,
        path,
        detail: 'expected the file of a deletion vector, saw none',
      })
    }
    if (object.is !== 'there') continue
    for (const { vector, records, path: file } of users) {
      const problem = vector === null ? null : checkVectorFile(object.bytes, vector, records)
      if (problem !== null)
        findings.report(problem.rule, { version, path, detail: `${quoted(file)}: ${problem.why}` })
    }
  }
}
