/** docs/faults.md: what can go wrong, what names it and what resolves it, made from the faults that tests plant. */
import { isTableRule, TABLE_RULES } from '../../lib/protocol/maintenance/delta/findings.ts'
import type { Rule } from '../../lib/protocol/maintenance/finding.ts'
import { PROJECTION_RULES } from '../../lib/protocol/maintenance/projection/rules.ts'
import { allFaults, type Named } from '../faults/all.ts'
import type { ProjectionFault, TableFault } from '../faults/fault.ts'

/** The text of docs/faults.md. */
export async function faultsDocument(): Promise<string> {
  const { table, projection } = await allFaults()
  return `# What can go wrong, and what resolves it

Made from the ${table.length + projection.length} faults that \`npm test\` plants, one file each in [test/faults](../test/faults): \`npm run docs:faults\` writes
this page, a test compares it. For each of them \`verify\` names the rule in its first line, what that line says to do resolves it
as it is written, and then \`verify\` finds nothing.

The line of \`verify\` knows more than this page: the table, the path, the time until which to wait, the body of the request. Where
something was lost, no request can bring it back: the object comes from a backup or an earlier generation, so keep those
(bucket versioning). Where a rebuild leaves revisions that nobody names, the next \`verify\` says how to collect them.

\`inspect\` reads the known keys of what it is asked about, at any time and cheaply. What lies elsewhere only \`verify\` sees.

## A table

\`npm run verify -- --bucket … --table ID\`, or \`GET /api/v1/delta/tables/{table_id}/verify\`; docs/verify.md has every rule.

${tableOf(table, ({ inspect }) => inspectedTable(inspect))}

## The projection

\`npm run verify -- --bucket … --projection\`, or \`GET /internal/verify/projection\`; docs/reconcile.md has every rule.

${tableOf(projection, ({ inspect }) => (inspect === 'named' ? 'names it' : '–'))}
`
}

function inspectedTable(inspect: TableFault['inspect']): string {
  if (inspect === 'unseen') return '–'
  const { asks, says } = inspect
  return `${asks === 'key' ? 'of the key: ' : ''}\`${JSON.stringify(says)}\``
}

function tableOf<F extends TableFault | ProjectionFault>(
  faults: readonly Named<F>[],
  inspected: (fault: F) => string,
): string {
  const rows = faults.map(({ fault }) => {
    const [rule = ''] = fault.first.split(' ')
    const { title, next } = ruleOf(rule)
    const cells = [fault.story, `**${rule}** ${title}`, inspected(fault), next, fault.rows.join('; ')]
    return `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return [
    '| what happened | what `verify` says first does not hold | `inspect` | what to do | of |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}

function ruleOf(rule: string): Rule {
  if (isTableRule(rule)) return TABLE_RULES[rule]
  const row = Object.entries(PROJECTION_RULES).find(([id]) => id === rule)?.[1]
  if (row === undefined) throw new Error(`no such rule: ${rule}`)
  return row
}
