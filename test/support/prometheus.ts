/** What `/metrics` shows, read by a parser that is not ours. */
import parseText from 'parse-prometheus-text-format'

/** One metric as the parser read it; values are text. */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly metrics: readonly {
    readonly labels?: Readonly<Record<string, string>>
    readonly value?: string
    readonly buckets?: Readonly<Record<string, string>>
    readonly count?: string
    readonly sum?: string
  }[]
}

/** Parse, and fail for text that is none. */
export function parseMetrics(text: string): readonly Family[] {
  return parseText(text) as readonly Family[]
}

/** The value of one series, or null. */
export function valueOf(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | null {
  const family = parseMetrics(text).find((each) => each.name === name)
  const series = family?.metrics.find(({ labels: found = {} }) => sameLabels(found, labels))
  const value = series?.value ?? series?.count
  return value === undefined ? null : Number(value)
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}
