/** The report of `npm run mutate:fold`: mutants by file, and survivors with the reason of each. */
import type { Mutant } from './mutants.ts'

/** What became of a mutant. */
export interface Outcome {
  readonly mutant: Mutant
  /** Name of the test that failed; null for a survivor. */
  readonly noticed_by: string | null
}

/** Under what the reason of a survivor is kept: no line number, so that it outlives changes elsewhere in the file. */
export function survivorKey({ file, within, kind, original, replacement }: Mutant): string {
  const name = file.slice(file.lastIndexOf('orchestration/') + 'orchestration/'.length)
  return `${name} ${within} ${kind}: ${brief(original)} → ${replacement === '' ? 'nothing' : brief(replacement)}`
}

/** The report, and what is wrong with it: survivors without a reason, reasons without a survivor. */
export function reportText(
  outcomes: readonly Outcome[],
  reasons: Readonly<Record<string, string>>,
): { readonly text: string; readonly problems: readonly string[] } {
  const survivors = new Set(outcomes.filter(isSurvivor).map(({ mutant }) => survivorKey(mutant)))
  const unexplained = [...survivors].filter((key) => !(key in reasons))
  const stale = Object.keys(reasons).filter((key) => !survivors.has(key))
  const rows = [...survivors].toSorted().map((key) => `| ${cell(key)} | ${reasons[key] ?? '**none yet**'} |`)
  const text = `# Mutants of the fold

Written by \`npm run mutate:fold -- --write\`; do not edit. Every small change of \`lib/protocol/orchestration/fold/\` and of
the merge rules in \`tables/\` is switched on in turn, and the tests of the fold run until one of them fails. The reasons are
kept in \`test/mutation/survivors.json\`: a survivor without one fails the run, and so does a reason whose mutant is noticed.

${table(['file', 'mutants', 'noticed', 'survived', 'score'], fileRows(outcomes))}

## Survivors

What no test notices, and why none could, or need not.

| mutant | reason |
|---|---|
${rows.join('\n')}
`
  return {
    text,
    problems: [
      ...unexplained.map((key) => `survivor without a reason: ${key}`),
      ...stale.map((key) => `reason without a survivor: ${key}`),
    ],
  }
}

/** Whether no test noticed. */
export function isSurvivor({ noticed_by }: Outcome): boolean {
  return noticed_by === null
}

function fileRows(outcomes: readonly Outcome[]): string[][] {
  const byFile = Map.groupBy(outcomes, ({ mutant }) => mutant.file)
  const rows = [...byFile].map(([file, of_file]) =>
    countsOf(`\`${file.replace(/^lib\/protocol\/orchestration\//, '')}\``, of_file),
  )
  return [...rows, countsOf('all', outcomes)]
}

function countsOf(name: string, outcomes: readonly Outcome[]): string[] {
  const survived = outcomes.filter(isSurvivor).length
  const noticed = outcomes.length - survived
  const score = `${((100 * noticed) / outcomes.length).toFixed(1)} %`
  return [name, String(outcomes.length), String(noticed), String(survived), score]
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    line(heads),
    `|${heads.map((_, at) => (at === 0 ? '---' : '--:')).join('|')}|`,
    ...rows.map(line),
  ].join('\n')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function brief(code: string): string {
  const line = code.replaceAll(/\s+/g, ' ')
  return `\`${line.length > 90 ? `${line.slice(0, 87)}…` : line}\``
}
