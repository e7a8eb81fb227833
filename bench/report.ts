/** The report of `npm run bench`: what was measured, and how it reads. */
import type { Summary } from './statistics.ts'

/** One line of the report. */
export interface Line {
  readonly store: string
  readonly writers: number
  readonly tables: number
  readonly commits: Summary
  readonly puts: Summary
  /** Commit requests for one commit: 1 without contention. */
  readonly requests_per_commit: number
}

/** What a run measured. */
export interface Report {
  readonly node: string
  readonly cores: number
  readonly folder: string
  readonly payload_bytes: number
  readonly rounds: number
  readonly seconds: number
  readonly lines: readonly (Line & { readonly in_puts: InPuts })[]
}

/** What a commit costs in plain puts: puts made in the time of one commit, and the ratio of their latencies. */
export interface InPuts {
  readonly throughput: number
  readonly p50: number
  readonly p99: number
}

/** By commits and by puts that were measured together. */
export function inPuts({ commits, puts }: Pick<Line, 'commits' | 'puts'>): InPuts {
  return {
    throughput: puts.per_s / commits.per_s,
    p50: commits.p50_ms / puts.p50_ms,
    p99: commits.p99_ms / puts.p99_ms,
  }
}

const COLUMNS = [
  'store',
  'writers',
  'tables',
  'commits/s',
  'p50 ms',
  'p99 ms',
  'requests',
  'puts/s',
  'p50 ms',
  'p99 ms',
  'rate',
  'p50',
  'p99',
]

/** The report for people. */
export function reportText({ node, cores, folder, payload_bytes, rounds, seconds, lines }: Report): string {
  const rows = lines.map(({ commits, puts, in_puts, ...line }) => [
    line.store,
    String(line.writers),
    String(line.tables),
    commits.per_s.toFixed(0),
    commits.p50_ms.toFixed(2),
    commits.p99_ms.toFixed(2),
    line.requests_per_commit.toFixed(2),
    puts.per_s.toFixed(0),
    puts.p50_ms.toFixed(2),
    puts.p99_ms.toFixed(2),
    `${in_puts.throughput.toFixed(1)}x`,
    `${in_puts.p50.toFixed(1)}x`,
    `${in_puts.p99.toFixed(1)}x`,
  ])
  const widths = COLUMNS.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]?.length ?? 0)))
  const text = (row: readonly string[]): string =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
  return `Node ${node}, ${cores} cores, ${seconds} s a line; folder store below ${folder}

${[COLUMNS, ...rows].map(text).join('\n')}

A commit waits for ${rounds} store round trips, one after the other; a put for one.
commits/s  stage and commit requests through the whole HTTP app, no sockets; p50 and p99 of the commit request alone,
           from its first request to its 200
requests   commit requests for one commit: a refused writer asks again at once, or rebases
puts/s     one conditional put of the same ${payload_bytes} bytes, same store, same number of writers, measured in turns
rate …     the commit in puts: puts/s by commits/s, and the latencies by each other
`
}
