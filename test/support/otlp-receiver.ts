/** A collector: the real OTLP/HTTP wire on a loopback port. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** One span as it came over the wire; times and ids are text. */
export interface WireSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[]
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: WireSpan['attributes'] }
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[]
  }[]
}

/** A collector that listens. */
export interface OtlpReceiver {
  /** What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to. */
  readonly endpoint: string
  /** Paths that were asked for. */
  readonly paths: ReadonlySet<string>
  spans(): readonly WireSpan[]
  /** Value of `service.name`. */
  services(): readonly unknown[]
  /** All that was received, as text. */
  text(): string
  close(): Promise<void>
}

/** Start one that answers with this status. */
export async function otlpReceiver(status = 200): Promise<OtlpReceiver> {
  const received: Export[] = []
  const paths = new Set<string>()
  const server = createServer((incoming, outgoing) => {
    paths.add(`${incoming.method} ${incoming.url}`)
    void json(incoming).then((body) => {
      received.push(body as Export)
      outgoing.writeHead(status, { 'content-type': 'application/json' }).end('{}')
    })
  })
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const resources = () => received.flatMap(({ resourceSpans }) => resourceSpans)
  return {
    endpoint: `http://127.0.0.1:${port}`,
    paths,
    spans: () => resources().flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
    services: () =>
      resources().flatMap(({ resource }) =>
        resource.attributes.flatMap(({ key, value }) =>
          key === 'service.name' ? [value['stringValue']] : [],
        ),
      ),
    text: () => JSON.stringify(received),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
