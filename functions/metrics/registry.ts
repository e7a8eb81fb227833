/**
 * Counters, gauges and histograms of one app, and the Prometheus text of them (spec/http-api.md 8). Label values are closed
 * sets: what is not in its set is counted as `other`, so no text of a client can become a series. No global state.
 */

/** What may stand in a label: one of these; `null`: an id of the deployment's own configuration. */
export type LabelValues = readonly string[] | null

/** One metric. */
export interface MetricSpec {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: Readonly<Record<string, LabelValues>>
  /** Upper bounds of a histogram, ascending, without `+Inf`. */
  readonly buckets?: readonly number[]
}

/** Metrics by name. */
export type Catalogue = Readonly<Record<string, MetricSpec>>

/** Names of the metrics of a type. */
export type NamesOf<C extends Catalogue, T extends MetricSpec['type']> = {
  [N in keyof C]: C[N]['type'] extends T ? N : never
}[keyof C] &
  string

/** The labels of a metric, every one of them. */
export type LabelsOf<M extends MetricSpec> = {
  readonly [L in keyof M['labels']]: M['labels'][L] extends readonly (infer V)[] ? V : string
}

/** Where an app counts. */
export interface Registry<C extends Catalogue> {
  /** Count `by` more; `by` is not negative. */
  add<N extends NamesOf<C, 'counter'>>(name: N, labels: LabelsOf<C[N]>, by?: number): void
  set<N extends NamesOf<C, 'gauge'>>(name: N, labels: LabelsOf<C[N]>, value: number): void
  observe<N extends NamesOf<C, 'histogram'>>(name: N, labels: LabelsOf<C[N]>, value: number): void
  /** Prometheus text format 0.0.4; ends with a line feed. */
  text(): string
}

/** Stands for every value that is not in the set of its label. */
export const OTHER = 'other'

/**
 * Counters of at most this many series are there from the start, at 0: an alert on an increase would miss a series that begins
 * at 1. Larger ones would only make the page long.
 */
const SERIES_AT_START_MAX = 64

interface Series {
  value: number
  readonly buckets: number[]
}

/** Make one. */
export function createRegistry<C extends Catalogue>(catalogue: C): Registry<C> {
  const metrics = new Map(
    Object.entries(catalogue).map(([name, spec]) => [name, { spec, series: initial(spec) }]),
  )

  function seriesOf(name: string, labels: Readonly<Record<string, unknown>>): Series {
    const metric = metrics.get(name)
    if (metric === undefined) throw new Error(`no metric ${name}`)
    const key = labelText(metric.spec, labels)
    const series = metric.series.get(key) ?? fresh()
    metric.series.set(key, series)
    return series
  }

  return {
    add(name, labels, by = 1) {
      seriesOf(name, labels).value += by
    },
    set(name, labels, value) {
      seriesOf(name, labels).value = value
    },
    observe(name, labels, value) {
      const { buckets = [] } = catalogue[name] ?? {}
      const series = seriesOf(name, labels)
      const at = buckets.findIndex((bound) => value <= bound)
      const index = at === -1 ? buckets.length : at
      series.buckets[index] = (series.buckets[index] ?? 0) + 1
      series.value += value
    },
    text: () => Array.from(metrics, ([name, { spec, series }]) => blockOf(name, spec, series)).join(''),
  }
}

function fresh(): Series {
  return { value: 0, buckets: [] }
}

/** The series that are there before anything was counted. */
function initial(spec: MetricSpec): Map<string, Series> {
  if (spec.type !== 'counter') return new Map()
  let all: Readonly<Record<string, string>>[] = [{}]
  for (const [label, values] of Object.entries(spec.labels)) {
    all = all.flatMap((labels) => (values ?? []).map((value) => ({ ...labels, [label]: value })))
    if (all.length > SERIES_AT_START_MAX) return new Map()
  }
  return new Map(all.map((labels) => [labelText(spec, labels), fresh()]))
}

/** `a="x",b="y"` in the order of the catalogue. */
function labelText({ labels: known }: MetricSpec, labels: Readonly<Record<string, unknown>>): string {
  return Object.entries(known)
    .map(([label, values]) => {
      const value = String(labels[label])
      return `${label}="${escaped(values === null || values.includes(value) ? value : OTHER)}"`
    })
    .join(',')
}

function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`)
}

function blockOf(name: string, spec: MetricSpec, series: ReadonlyMap<string, Series>): string {
  const head = `# HELP ${name} ${spec.help.replaceAll('\\', '\\\\').replaceAll('\n', String.raw`\n`)}\n# TYPE ${name} ${spec.type}\n`
  const lines = [...series].flatMap(([labels, one]) =>
    spec.type === 'histogram' ? histogramLines(name, spec, labels, one) : [sample(name, labels, one.value)],
  )
  return head + lines.join('')
}

/** Buckets are cumulative; the one of `+Inf` is the count. */
function histogramLines(
  name: string,
  { buckets = [] }: MetricSpec,
  labels: string,
  series: Series,
): string[] {
  const comma = labels === '' ? '' : ','
  let count = 0
  const lines = [...buckets, Number.POSITIVE_INFINITY].map((bound, index) => {
    count += series.buckets[index] ?? 0
    return sample(`${name}_bucket`, `${labels}${comma}le="${numberText(bound)}"`, count)
  })
  return [...lines, sample(`${name}_sum`, labels, series.value), sample(`${name}_count`, labels, count)]
}

function sample(name: string, labels: string, value: number): string {
  return `${name}${labels === '' ? '' : `{${labels}}`} ${numberText(value)}\n`
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}
