/** Spans over the real OTLP wire, from the process that `npm start` runs. */
import { expect, onTestFinished, test, vi } from 'vitest'
import { openTracer } from '../../../functions/entry/tracing.ts'
import { memoryStore } from '../../../lib/store/memory.ts'
import { SMOKE_ENV } from '../../runtimes/smoke.ts'
import { EVENTS } from '../../support/lambda-events.ts'
import { otlpReceiver, type OtlpReceiver } from '../../support/otlp-receiver.ts'
import { NODE_ENTRY, startServer, type ServerProcess } from '../../support/server-process.ts'
import { freshId, freshPayload, testService } from '../../support/service.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

async function receiver(status?: number): Promise<OtlpReceiver> {
  const opened = await otlpReceiver(status)
  onTestFinished(async () => opened.close())
  return opened
}

async function serve(endpoint: string): Promise<ServerProcess> {
  const server = await startServer(NODE_ENTRY, {
    ARCO_STORAGE_BUCKET: 'memory:',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  })
  onTestFinished(() => server.kill('SIGKILL'))
  return server
}

async function post(server: ServerProcess, path: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(`${server.base}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent: `00-${TRACE}-${SPAN}-01` },
    body: JSON.stringify(body),
  })
  expect(response.status).toBe(200)
  return (await response.json()) as Record<string, unknown>
}

test('a collector gets the spans of a commit, below the span of who sent it, before the process ends', async () => {
  const collector = await receiver()
  const server = await serve(collector.endpoint)
  const table = `/api/v1/delta/tables/${freshId()}`
  const staged = await post(server, `${table}/commits/stage`, { payload: freshPayload() })
  const idempotency_key = freshId()
  await post(server, `${table}/commits`, { read_version: -1, ...staged, idempotency_key })
  const lines = await server.log()
  expect(await server.stop('SIGTERM')).toMatchObject({ code: 0 })

  expect([...collector.paths]).toEqual(['POST /v1/traces'])
  expect(new Set(collector.services())).toEqual(new Set(['tidemark']))
  const spans = collector.spans()
  const commit = spans.find(({ name }) => name === 'POST /api/v1/delta/tables/{table_id}/commits')
  // 2 is SERVER.
  expect(commit).toMatchObject({ traceId: TRACE, parentSpanId: SPAN, kind: 2 })
  const parts = spans.filter(({ parentSpanId }) => parentSpanId === commit?.spanId)
  expect(parts.filter(({ name }) => name.startsWith('store.put')).map(({ name }) => name)).toEqual([
    'store.put coordinator_state',
    'store.put delta_log_entry',
    'store.put idempotency_marker',
    'store.put coordinator_state',
  ])
  for (const part of parts) {
    expect(part.traceId).toBe(TRACE)
    // The SDK rounds the beginning of each span to a millisecond.
    expect(msOf(part.startTimeUnixNano)).toBeGreaterThanOrEqual(msOf(commit?.startTimeUnixNano) - 2)
    expect(msOf(part.endTimeUnixNano)).toBeLessThanOrEqual(msOf(commit?.endTimeUnixNano) + 2)
  }
  expect(lines.at(-1)).toMatchObject({ message: 'request', outcome: 'committed', trace_id: TRACE })
  expect(collector.text()).not.toContain(idempotency_key)
})

function msOf(nanoseconds: string | undefined): number {
  return Number(BigInt(nanoseconds ?? 0) / 1_000_000n)
}

test.each([
  ['refuses', async () => (await receiver(500)).endpoint],
  ['is not there', async () => 'http://127.0.0.1:1'],
])('a collector that %s costs no request, and no end', async (_name, endpoint) => {
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', await endpoint())
  onTestFinished(() => void vi.unstubAllEnvs())
  const tracer = await openTracer(process.env)
  if (tracer === null) throw new Error('no tracer')
  const it = testService(memoryStore(), { deps: { tracer } })
  await it.stage(freshId())
  await it.app.drain()
})

test('Lambda, which is frozen after its answer, has sent its spans by then', async () => {
  const collector = await receiver()
  const env = {
    ...SMOKE_ENV,
    ARCO_STORAGE_BUCKET: 'memory:',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
  }
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  onTestFinished(() => void vi.unstubAllEnvs())
  const { handler } = await import('../../../functions/entry/lambda.ts')
  const event = await EVENTS.url.toEvent(new Request(`${EVENTS.url.base}/health`))
  expect(await handler(event)).toMatchObject({ statusCode: 200 })
  expect(collector.spans().map(({ name }) => name)).toEqual(['GET /health'])
})

test.each([
  ['nothing', {}],
  ['a blank endpoint', { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }],
])('without a collector there is no tracer: %s', async (_name, env) => {
  expect(await openTracer(env)).toBeNull()
})
