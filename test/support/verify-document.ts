/** docs/verify.md: what `verify` of a table looks for, made from its catalogue of rules. */
import { COORDINATOR_RULES } from '../../lib/protocol/maintenance/delta/coordinator-rules.ts'
import { LOG_RULES } from '../../lib/protocol/maintenance/delta/log-rules.ts'
import type { Rule } from '../../lib/protocol/maintenance/finding.ts'

/** Rules of spec/delta-log-rules.md that `verify` does not look for, and why. */
export const NOT_LOOKED_FOR: Readonly<Record<string, string>> = {
  'DL-203': 'a final newline is optional',
  'DL-211': 'how integers are read: losslessly, everywhere',
  'DL-212': 'staging keeps the bytes',
  'DL-333': 'normal',
  'DL-344': 'normal',
  'DL-608': 'the coordinator is told no timestamp',
  'DL-703': 'what the coordinator does',
  'DL-704': 'TM-105 and TM-204 show entries of others',
  'DL-705': 'entries are published at once',
  'DL-706': 'what the coordinator does',
  'DL-707': 'TM-105 and TM-204',
  'DL-708': 'for readers',
  'DL-710': 'for clients',
  'DL-711': 'TM-501 counts what may be collected',
  'DL-905': 'the hint is never trusted',
  'DL-1111': 'normal',
  'DL-1121': 'files of expired versions are gone after VACUUM',
}

/** The text of docs/verify.md. */
export function verifyDocument(): string {
  return `# Verify a table

Made from the rules that \`verify\` looks for: \`npm run docs:verify\` writes this page, a test compares it.

\`\`\`console
$ npm run verify -- --bucket s3://lake --tenant acme --workspace analytics --table 0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11
clean: table 0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11, versions 0 to 4 (entries: 5, checkpoints: 1).
\`\`\`

Exit code 0: nothing that somebody has to act on. 1: findings of severity \`warn\` or \`error\`; the first line names the most
severe. 2: could not look. \`--json\` prints one object. \`--location PATH\` says where the table lies instead of asking the
catalog. Credentials are those of the store's own environment variables, as for \`npm run doctor\`.

Over HTTP: \`GET /api/v1/delta/tables/{table_id}/verify\`, action \`delta.verify\` of the authorize hook. One answer is one page of
about \`limit\` objects (1000 unless told); its \`next\` is the \`cursor\` of the following one, and null at the end. It is the
only route of a table that lists, so it costs list requests and is not for the path of writers.

Nothing is written or deleted, ever. A commit that goes on meanwhile is no finding. Every finding has \`rule\`, \`severity\`,
\`detail\` (what was expected and what was seen), \`means\` (for readers and writers), \`next\` (what to do, an exact request where
there is one) and, where they apply, \`version\` and \`path\`.

- \`error\`: readers fail or see wrong data.
- \`warn\`: survivable, but somebody should act.
- \`info\`: a fact; it does not change the exit code.

\`--deep\`, or \`deep=true\`, also asks whether every live file exists with the size that the log says, and reads deletion vectors:
one request a live file. Files whose names no key of ours can spell (a percent sign, a hash, a question mark) and files outside
of the table's root are not looked at; TM-901 says which.

A page that starts in the middle of a log begins at the newest checkpoint below it. Memory holds the live files of the table
(some 300 bytes each, at most two million) and one batch of entries. Objects above 64 MiB and checkpoints in other codecs than
Snappy are not read: TM-901 again.

## Between the objects of the coordinator

${table(COORDINATOR_RULES)}

## In the log, its copies and its files

${table(LOG_RULES)}

## Not looked for

${Object.entries(NOT_LOOKED_FOR)
  .map(([id, why]) => `- ${id}: ${why}`)
  .join('\n')}
`
}

function table(rules: Readonly<Record<string, Rule>>): string {
  const rows = Object.entries(rules).map(
    ([id, { severity, title, spec, means, next }]) =>
      `| ${[`**${id}**`, severity, title, means, next, spec].map(cell).join(' | ')} |`,
  )
  return [
    '| rule | severity | what holds | when it does not | what to do | spec |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
