/**
 * `npm run mutate:fold`: how much of the fold the tests notice. Every mutant of `lib/protocol/orchestration/fold/`, and of
 * the merge rules in `tables/`, is switched on in turn, and the tests of the fold run until one fails. A survivor is a
 * change that no test notices; each has its reason in `survivors.json`, or fails the run, as does a score below 90 %.
 * docs/mutants-fold.md is the report; `--write` writes it. `npm run mutate:fold -- retention` tries only files whose
 * name contains a text, `--processes 4` as many at a time, `--survivors` only what survived the last run: enough after a
 * test was added, as long as the sources are what they were.
 */
import { fork } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { isSurvivor, reportText } from './report.ts'
import type { Outcome } from './report.ts'

const REPORT = join(import.meta.dirname, '../../docs/mutants-fold.md')
/** What became of every mutant in the last whole run. */
const LAST = join(import.meta.dirname, '../../coverage/mutants-fold.json')
const SURVIVORS = join(import.meta.dirname, 'survivors.json')

/** Of a hundred mutants at least so many are noticed. */
const SCORE_MIN = 0.9

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    write: { type: 'boolean', default: false },
    survivors: { type: 'boolean', default: false },
    processes: { type: 'string', default: String(availableParallelism()) },
  },
})

const [part = ''] = positionals
const processes = Number(values.processes)
const started_ms = performance.now()
const last = values.survivors ? (JSON.parse(readFileSync(LAST, 'utf8')) as Outcome[]) : []
const ids = last.filter(isSurvivor).map(({ mutant }) => mutant.id)
const shares = await Promise.all(Array.from({ length: processes }, (_, share) => outcomesOf(share)))
const outcomes = [...last.filter((outcome) => !isSurvivor(outcome)), ...shares.flat()].toSorted(
  (a, b) => a.mutant.id - b.mutant.id,
)
if (part === '') {
  mkdirSync(dirname(LAST), { recursive: true })
  writeFileSync(LAST, JSON.stringify(outcomes))
}

const noticed = outcomes.filter((outcome) => !isSurvivor(outcome)).length
const score = noticed / outcomes.length
const seconds = Math.round((performance.now() - started_ms) / 1000)
process.stdout.write(
  `${noticed} of ${outcomes.length} mutants noticed, ${(score * 100).toFixed(1)} %, ${seconds} s\n`,
)

const reasons = JSON.parse(readFileSync(SURVIVORS, 'utf8')) as Readonly<Record<string, string>>
const { text, problems } = reportText(outcomes, reasons)
if (part === '' && values.write) writeFileSync(REPORT, text)
// Of a part of the files, the reasons of the others have no survivor.
if (part === '') for (const problem of problems) process.stderr.write(`${problem}\n`)
if (score < SCORE_MIN || (part === '' && problems.length > 0)) process.exitCode = 1

/** What became of every mutant whose number falls to this share. */
async function outcomesOf(share: number): Promise<Outcome[]> {
  const child = fork(join(import.meta.dirname, 'trial.ts'), [
    part,
    String(share),
    String(processes),
    ids.join(','),
  ])
  const found: Outcome[] = []
  child.on('message', (message) => {
    const outcome = message as Outcome
    found.push(outcome)
    if (isSurvivor(outcome)) process.stdout.write(`survived: ${described(outcome)}\n`)
  })
  const code = await new Promise((resolve) => child.on('exit', resolve))
  if (code !== 0) throw new Error(`expected trial ${share} to end with 0, got ${String(code)}`)
  return found
}

function described({ mutant: { file, line, kind, original, replacement } }: Outcome): string {
  return `${file}:${line} ${kind}\n  ${original.replaceAll(/\s+/g, ' ')}\n  ${replacement.replaceAll(/\s+/g, ' ')}`
}
