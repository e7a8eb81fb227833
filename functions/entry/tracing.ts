/**
 * Spans to an OpenTelemetry collector, where `OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) says where
 * there is one; the exporter reads the other `OTEL_*` variables itself. Its packages are loaded only then. For Node, Deno,
 * Cloud Functions and Lambda; a Worker has no exporter.
 */
import type { Context, Span as OtelSpan, Tracer as OtelTracer } from '@opentelemetry/api'
import type { Attributes, Span, SpanParent, Tracer } from '../tracing.ts'

/** Nobody waits longer than this for a collector, ms. */
const FLUSH_MS = 1_000

/** The tracer that the environment asks for, or null. */
export async function openTracer(env: Readonly<Record<string, string | undefined>>): Promise<Tracer | null> {
  const endpoints = [env['OTEL_EXPORTER_OTLP_ENDPOINT'], env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']]
  if (endpoints.every((endpoint) => (endpoint ?? '').trim() === '')) return null
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ])
  const exporter = new OTLPTraceExporter()
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': env['OTEL_SERVICE_NAME'] ?? 'tidemark' }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.AlwaysOnSampler() }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter })],
  })
  const tracer = provider.getTracer('tidemark')

  function below(parent: SpanParent | null): Context {
    if (parent === null) return api.ROOT_CONTEXT
    return api.trace.setSpanContext(api.ROOT_CONTEXT, {
      traceId: parent.trace_id,
      spanId: parent.span_id,
      traceFlags: parent.is_sampled ? api.TraceFlags.SAMPLED : api.TraceFlags.NONE,
      isRemote: true,
    })
  }

  return {
    request(name, attributes, parent) {
      const context = below(parent)
      const span = tracer.startSpan(name, { attributes, kind: api.SpanKind.SERVER }, context)
      return begun(span, {
        tracer,
        error: api.SpanStatusCode.ERROR,
        within: (of) => api.trace.setSpan(context, of),
      })
    },
    // The provider hands over what has ended; the exporter knows what it is still sending. A collector that is away costs
    // spans, never a request.
    flush: async () =>
      atMost(
        FLUSH_MS,
        provider.forceFlush().then(async () => exporter.forceFlush()),
      ),
  }
}

async function atMost(limit_ms: number, work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limit_ms)
  })
  await Promise.race([work.catch(() => undefined), late])
  clearTimeout(timer)
}

interface Sdk {
  readonly tracer: OtelTracer
  readonly error: number
  within(span: OtelSpan): Context
}

function begun(span: OtelSpan, sdk: Sdk): Span {
  return {
    trace_id: span.spanContext().traceId,
    child: (name, attributes) => begun(sdk.tracer.startSpan(name, { attributes }, sdk.within(span)), sdk),
    set: (attributes: Attributes) => void span.setAttributes(attributes),
    end({ failed = false } = {}) {
      if (failed) span.setStatus({ code: sdk.error })
      span.end()
    },
  }
}
