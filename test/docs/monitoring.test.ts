/** docs/monitoring: the rules and the dashboard parse, and every metric, label and value that they name exists. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { METRICS } from '../../functions/metrics/catalogue.ts'
import type { MetricSpec } from '../../functions/metrics/registry.ts'
import { REPOSITORY } from '../house/tools.ts'
import { codeBlocks } from '../support/documents.ts'
import { selectorsOf } from '../support/prometheus.ts'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: Readonly<Record<'x' | 'y' | 'w' | 'h', number>>
  readonly targets?: readonly {
    readonly refId: string
    readonly expr: string
    readonly legendFormat: string
  }[]
}

const file = (name: string): string => readFileSync(join(REPOSITORY, 'docs/monitoring', name), 'utf8')
const { groups } = parse(file('alerts.yaml'), { strict: true, uniqueKeys: true }) as {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[]
}
const rules = groups.flatMap((group) => group.rules)
const dashboard = JSON.parse(file('dashboard.json')) as { readonly panels: readonly Panel[] }

/** What an expression names that is not in the catalogue. */
function unknownIn(expression: string): string[] {
  const { names, labels, label_names } = selectorsOf(expression)
  const specs = names.map((name) => ({ name, spec: specOf(name) }))
  const known = new Set(specs.flatMap(({ spec }) => Object.keys(spec?.labels ?? {})).concat('le'))
  return [
    ...specs.flatMap(({ name, spec }) => (spec === undefined ? [name] : [])),
    ...[...label_names].filter((label) => !known.has(label)),
    ...labels.flatMap((matchers, index) =>
      Object.entries(matchers).flatMap(([label, text]) => {
        const values = specs[index]?.spec?.labels[label] ?? []
        // Alternatives of a pattern; a path with braces is one value.
        return (values.includes(text) ? [] : text.split('|')).filter((value) => !values.includes(value))
      }),
    ),
  ]
}

/** A histogram is read by the series that it is made of. */
function specOf(name: string): MetricSpec | undefined {
  const [, base = ''] = /^(.+)_(?:bucket|sum|count)$/.exec(name) ?? []
  const metrics: Readonly<Record<string, MetricSpec>> = METRICS
  return metrics[base]?.type === 'histogram'
    ? metrics[base]
    : metrics[name]?.type === 'histogram'
      ? undefined
      : metrics[name]
}

describe('the check itself', () => {
  test.each([
    ['sum(rate(arco_delta_comits_total[5m]))', ['arco_delta_comits_total']],
    ['sum by (result) (arco_delta_commits_total)', ['result']],
    ['arco_delta_commits_total{outcome="commited"}', ['commited']],
    ['arco_delta_commits_total{outcome=~"committed|nonsense"}', ['nonsense']],
    ['api_request_duration_seconds', ['api_request_duration_seconds']],
    ['arco_delta_commits_total_bucket', ['arco_delta_commits_total_bucket']],
  ])('finds what is wrong with %s', (expression, unknown) => {
    expect(unknownIn(expression)).toEqual(unknown)
  })

  test.each(['sum(', 'rate(a[5x])', 'a by (b)', 'a{b=c}'])('%s is no PromQL', (expression) => {
    expect(() => selectorsOf(expression)).toThrow('no PromQL')
  })
})

describe('alert rules', () => {
  test('have the members that Prometheus knows, and no other', () => {
    for (const group of groups) expect(Object.keys(group)).toEqual(['name', 'rules'])
    const members = new Set(rules.flatMap((rule) => Object.keys(rule)))
    expect(members).toEqual(new Set(['alert', 'expr', 'for', 'labels', 'annotations']))
    expect(new Set(groups.map(({ name }) => name)).size).toBe(groups.length)
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
  })

  test.each(rules)('$alert', ({ alert, expr, for: wait, labels, annotations }) => {
    expect(alert).toMatch(/^Tidemark[A-Z]\w+$/)
    expect(unknownIn(expr)).toEqual([])
    expect(wait ?? '0m').toMatch(/^\d+[smh]$/)
    expect(labels).toEqual({ severity: expect.stringMatching(/^(critical|warning)$/) })
    expect(Object.keys(annotations)).toEqual(['summary', 'description'])
    // A template may only name labels that the result has.
    const by = /^\w+ by \(([^)]*)\)/.exec(expr)?.[1]?.split(', ') ?? []
    const used = Array.from(
      Object.values(annotations)
        .join(' ')
        .matchAll(/\$labels\.(\w+)/g),
      ([, name]) => name,
    )
    expect(used.filter((name) => !by.includes(name ?? ''))).toEqual([])
  })

  // reconcile.md 8, "Alert thresholds shipped with the reference".
  test.each([
    ['arco_flow_orch_repair_automation_runs_total', '[15m]', '> 0', undefined, 'critical'],
    ['arco_flow_orch_repair_backlog_age_seconds', '', '> 900', '10m', 'warning'],
    ['arco_flow_orch_repair_backlog_count', '', '> 0', '15m', 'warning'],
    ['arco_flow_orch_repair_completion_latency_seconds_bucket', '0.95', '> 120', '15m', 'warning'],
    ['arco_flow_orch_compactor_stale_fencing_rejects_total', '[5m]', '> 0', undefined, 'critical'],
    ['arco_flow_orch_compactor_request_contract_rejections_total', '[15m]', '> 0', undefined, 'critical'],
    ['arco_orch_compaction_lag_seconds', '', '> 30', '5m', 'warning'],
  ])('%s: the threshold of the reference', (metric, over, limit, wait, severity) => {
    const rule = rules.find(({ expr }) => expr.includes(metric))
    expect(rule?.expr).toContain(over)
    expect(rule?.expr.endsWith(limit)).toBe(true)
    expect([rule?.for, rule?.labels['severity']]).toEqual([wait, severity])
  })
})

describe('the dashboard', () => {
  test.each(dashboard.panels.filter(({ type }) => type !== 'row'))('$title', ({ targets = [] }) => {
    expect(targets.length).toBeGreaterThan(0)
    for (const { expr, legendFormat } of targets) {
      const expression = expr.replaceAll('$__rate_interval', '5m')
      expect(unknownIn(expression)).toEqual([])
      const by = / by \(([^)]*)\)/.exec(expr)?.[1]?.split(', ') ?? []
      const used = Array.from(legendFormat.matchAll(/\{\{(\w+)\}\}/g), ([, name = '']) => name)
      expect(used.filter((name) => !by.includes(name))).toEqual([])
    }
  })

  test('has panels of distinct ids that do not overlap', () => {
    const { panels } = dashboard
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
  })

  test('shows every metric that counts something of its own process', () => {
    const shown = new Set(
      dashboard.panels.flatMap(({ targets = [] }) =>
        targets.flatMap(({ expr }) => selectorsOf(expr.replaceAll('$__rate_interval', '5m')).names),
      ),
    )
    const bare = new Set([...shown].map((name) => name.replace(/_bucket$/, '')))
    const own = Object.keys(METRICS).filter((name) => /^(api_|rate_|arco_delta_)/.test(name))
    expect(own.filter((name) => !bare.has(name))).toEqual([])
  })
})

test('the scrape configuration of the page is YAML', () => {
  const [yaml = ''] = codeBlocks('docs/monitoring/README.md', 'yaml')
  expect(parse(yaml, { strict: true })).toMatchObject({ scrape_configs: [{ metrics_path: '/metrics' }] })
})
