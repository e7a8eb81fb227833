/** Numbers of a sample of durations. */

/** What a line of the report says of one kind of request. Durations in ms. */
export interface Summary {
  readonly count: number
  readonly per_s: number
  readonly p50_ms: number
  readonly p99_ms: number
}

/** Durations of single requests, and how long the whole took. */
export interface Sample {
  readonly durations_ms: number[]
  elapsed_ms: number
}

/** An empty sample. */
export function emptySample(): Sample {
  return { durations_ms: [], elapsed_ms: 0 }
}

/** Summarise; NaN where nothing was measured. */
export function summarise({ durations_ms, elapsed_ms }: Sample): Summary {
  const sorted = durations_ms.toSorted((a, b) => a - b)
  return {
    count: sorted.length,
    per_s: (sorted.length / elapsed_ms) * 1000,
    p50_ms: percentile(sorted, 0.5),
    p99_ms: percentile(sorted, 0.99),
  }
}

/** The smallest value that at least that share of the values does not exceed. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}
