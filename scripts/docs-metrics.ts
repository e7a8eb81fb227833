/** `npm run docs:metrics`: docs/metrics.md from the catalogue of metrics; a test compares the two. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { METRICS } from '../functions/metrics/catalogue.ts'
import type { LabelValues, MetricSpec } from '../functions/metrics/registry.ts'

/** Where the document is. */
export const METRICS_DOCUMENT = join(import.meta.dirname, '..', 'docs', 'metrics.md')

const HEAD = `# Metrics

Made by \`npm run docs:metrics\` from functions/metrics/catalogue.ts.

\`GET /metrics\` answers with these as Prometheus text; [deploy/README.md](deploy/README.md#watching-it) says who may see it. Labels
have closed sets of values, and what is not in its set is counted as \`other\`: no tenant, workspace, table, key or token is in
them. The exception is the backlog of the scheduled reconcile, which has the tenant and the workspace of the process's own
configuration. Counters of few series are there from the start at 0, so that an alert sees the first increase.

Each process counts for itself, and so does each isolate of a Worker: \`tidemark_counting_info\` says which.
`

/** What stands in a label: values that are configured, or too many to list. */
const MEANING: Readonly<Record<string, string>> = {
  endpoint: 'path template of the route, or `unmatched`',
  outcome: '`committed`, `replayed`, or a reason of [problems.md](problems.md)',
  tenant_id: '`ARCO_TENANT_ID`',
  workspace_id: '`ARCO_WORKSPACE_ID`',
}

const LISTED_MAX = 12

/** The whole document. */
export function metricsDocument(): string {
  const sections = Object.entries<MetricSpec>(METRICS).map(([name, spec]) => section(name, spec))
  return [HEAD, ...sections].join('\n')
}

function section(name: string, { type, help, labels, buckets }: MetricSpec): string {
  const list = [
    ...Object.entries(labels).map(([label, values]) => `- \`${label}\`: ${valuesText(label, values)}\n`),
    ...(buckets === undefined ? [] : [`- buckets: ${buckets.join(', ')}\n`]),
  ]
  return `## \`${name}\`\n\n${type}. ${help}\n${list.length === 0 ? '' : `\n${list.join('')}`}`
}

function valuesText(label: string, values: LabelValues): string {
  return values === null || values.length > LISTED_MAX
    ? (MEANING[label] ?? '')
    : values.map((value) => `\`${value}\``).join(', ')
}

if (import.meta.main) {
  writeFileSync(METRICS_DOCUMENT, metricsDocument())
  process.stdout.write('docs/metrics.md is written.\n')
}
