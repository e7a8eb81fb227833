/**
 * What `/metrics` shows, read by parsers that are not ours: families by one for the text format, and each sample's series as
 * the selector that it is in Prometheus's own grammar.
 */
import { parser } from '@prometheus-io/lezer-promql'
import parseText from 'parse-prometheus-text-format'

/** One metric as the parser read it. */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'COUNTER' | 'GAUGE' | 'HISTOGRAM' | 'SUMMARY' | 'UNTYPED'
}

/** Parse, and fail for text that is none. */
export function familiesOf(text: string): readonly Family[] {
  return parseText(text) as readonly Family[]
}

/** One line that is no comment. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Every sample; throws for a line that is none. */
export function samplesOf(text: string): readonly Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const at = line.lastIndexOf(' ')
      const { names, labels } = selectorsOf(line.slice(0, at))
      const [name] = names
      const number = line.slice(at + 1)
      if (name === undefined || names.length > 1) throw new Error(`no sample: ${line}`)
      return {
        name,
        labels: labels[0] ?? {},
        value: number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number),
      }
    })
}

/** The metrics that a PromQL expression names, each with the labels that it is asked for. Throws for what is none. */
export function selectorsOf(expression: string): {
  readonly names: readonly string[]
  readonly labels: readonly Readonly<Record<string, string>>[]
  /** Labels named anywhere: in matchers, `by`, `without` and the like. */
  readonly label_names: ReadonlySet<string>
} {
  const names: string[] = []
  const labels: Record<string, string>[] = []
  const label_names = new Set<string>()
  let label = ''
  parser.parse(expression).iterate({
    enter({ type, from, to }) {
      const text = expression.slice(from, to)
      if (type.isError) throw new Error(`no PromQL at ${from}: ${expression}`)
      if (type.name === 'VectorSelector') labels.push({})
      if (type.name === 'Identifier') names.push(text)
      if (type.name === 'LabelName') {
        label = text
        label_names.add(text)
      }
      const of = labels.at(-1)
      if (type.name === 'StringLiteral' && of !== undefined) of[label] = JSON.parse(text) as string
    },
  })
  return { names, labels, label_names }
}

/** The value of one series, or null. */
export function valueOf(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | null {
  return samplesOf(text).find((each) => each.name === name && sameLabels(each.labels, labels))?.value ?? null
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}
