/** A tracer that remembers. */
import type { Attributes, Span, SpanParent, Tracer } from '../../functions/tracing.ts'

/** One span as it was told. */
export interface RecordedSpan {
  readonly id: string
  readonly trace_id: string
  readonly parent: string | null
  readonly name: string
  readonly attributes: Record<string, string | number | boolean>
  /** How often it was ended: once, if all is well. */
  ends: number
  failed: boolean
}

/** What was told so far, in the order in which it began. */
export interface SpanRecorder {
  readonly tracer: Tracer
  all(): readonly RecordedSpan[]
  reset(): void
}

/** Make one. */
export function recordSpans(): SpanRecorder {
  const spans: RecordedSpan[] = []
  let count = 0

  function begin(
    name: string,
    attributes: Attributes,
    parent: Pick<SpanParent, 'trace_id' | 'span_id'> | null,
  ): Span {
    const id = String(++count).padStart(16, '0')
    const trace_id = parent?.trace_id ?? id.padStart(32, 'f')
    const recorded: RecordedSpan = {
      id,
      trace_id,
      parent: parent?.span_id ?? null,
      name,
      attributes: { ...attributes },
      ends: 0,
      failed: false,
    }
    spans.push(recorded)
    return {
      trace_id,
      child: (child_name, more) => begin(child_name, more, { trace_id, span_id: id }),
      set: (more) => void Object.assign(recorded.attributes, more),
      end({ failed = false } = {}) {
        recorded.ends += 1
        recorded.failed = failed
      },
    }
  }

  return {
    tracer: { request: begin, flush: async () => undefined },
    all: () => spans,
    reset: () => void spans.splice(0),
  }
}
