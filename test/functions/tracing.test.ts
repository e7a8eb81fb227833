/** Spans, S40: what they say of a request and of its store calls, and what they never say. */
import { describe, expect, test } from 'vitest'
import { pathClass } from '../../functions/path-class.ts'
import { parentOf } from '../../functions/tracing.ts'
import { withFaults } from '../../lib/store/faults.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { recordSpans, type RecordedSpan, type SpanRecorder } from '../support/spans.ts'
import { freshId, sha256Hex, testService, type TestService } from '../support/service.ts'

function traced(store: MaintenanceStore = memoryStore()): { it: TestService; spans: SpanRecorder } {
  const spans = recordSpans()
  return { it: testService(store, { deps: { tracer: spans.tracer } }), spans }
}

/** A committed version, and the spans of its commit: the request's own first. */
async function commitSpans(
  spans: SpanRecorder,
  it: TestService,
): Promise<{ table_id: string; spans: readonly RecordedSpan[] }> {
  const table_id = freshId()
  const staged = await it.stage(table_id)
  spans.reset()
  await it.commit({ table_id, read_version: -1, ...staged, idempotency_key: freshId() })
  return { table_id, spans: spans.all() }
}

describe('one commit', () => {
  test('is a span a request and one a store call below it, each ended once', async () => {
    const { it, spans } = traced()
    const seen = await commitSpans(spans, it)
    const [request, ...calls] = seen.spans
    expect(request).toMatchObject({
      name: 'POST /api/v1/delta/tables/{table_id}/commits',
      parent: null,
      ends: 1,
      failed: false,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/api/v1/delta/tables/{table_id}/commits',
        'http.response.status_code': 200,
        'tidemark.outcome': 'committed',
        'tidemark.version': 0,
        'tidemark.store_rounds': 5,
      },
    })
    expect(calls.every(({ parent, ends }) => parent === request?.id && ends === 1)).toBe(true)
    const puts = calls.filter(({ name }) => name.startsWith('store.put'))
    expect(puts.map(({ name, attributes }) => [name, attributes['tidemark.store.outcome']])).toEqual([
      ['store.put coordinator_state', 'ok'],
      ['store.put delta_log_entry', 'ok'],
      ['store.put idempotency_marker', 'ok'],
      ['store.put coordinator_state', 'ok'],
    ])
    expect(puts[1]?.attributes).toEqual({
      'tidemark.store.operation': 'put',
      'tidemark.store.path_class': 'delta_log_entry',
      'tidemark.store.path_sha256': sha256Hex(`tables/${seen.table_id}/_delta_log/00000000000000000000.json`),
      'tidemark.store.bytes': expect.any(Number),
      'tidemark.store.outcome': 'ok',
    })
  })

  test('whose store does not answer has failed spans, the request among them', async () => {
    const down = withFaults(memoryStore(), ({ key }) =>
      key.includes('/_delta_log/') ? { fault: 'lost_request' } : undefined,
    )
    const { it, spans } = traced(down)
    const [request, ...calls] = (await commitSpans(spans, it)).spans
    expect(request).toMatchObject({ failed: true, attributes: { 'http.response.status_code': 503 } })
    expect(calls.some(({ failed }) => failed)).toBe(true)
    expect(calls.every(({ ends }) => ends === 1)).toBe(true)
  })

  test('that is refused for what it is has no failed span: nobody has to look', async () => {
    const { it, spans } = traced()
    await it.request('POST', `/api/v1/delta/tables/${freshId()}/commits`, '{')
    expect(spans.all()).toMatchObject([{ failed: false, attributes: { 'tidemark.reason': 'bad_request' } }])
  })
})

describe('traceparent, W3C Trace Context', () => {
  const TRACE = '0af7651916cd43dd8448eb211c80319c'
  const SPAN = 'b7ad6b7169203331'

  test.each([
    ['a sampled one', `00-${TRACE}-${SPAN}-01`, { trace_id: TRACE, span_id: SPAN, is_sampled: true }],
    [
      'one that is not sampled',
      `00-${TRACE}-${SPAN}-00`,
      { trace_id: TRACE, span_id: SPAN, is_sampled: false },
    ],
    [
      'a later version with more fields',
      `01-${TRACE}-${SPAN}-03-x`,
      { trace_id: TRACE, span_id: SPAN, is_sampled: true },
    ],
    ['more fields in version 00', `00-${TRACE}-${SPAN}-01-x`, null],
    ['version ff', `ff-${TRACE}-${SPAN}-01`, null],
    ['upper case', `00-${TRACE.toUpperCase()}-${SPAN}-01`, null],
    ['no trace', `00-${'0'.repeat(32)}-${SPAN}-01`, null],
    ['no span', `00-${TRACE}-${'0'.repeat(16)}-01`, null],
    ['something else', 'Bearer x', null],
  ])('%s', (_name, traceparent, parent) => {
    expect(parentOf(new Headers({ traceparent }))).toEqual(parent)
  })

  test('the span of the request is below it; without the header it is a root', async () => {
    const { it, spans } = traced()
    await it.request('GET', '/health', undefined, { traceparent: `00-${TRACE}-${SPAN}-01` })
    await it.request('GET', '/health')
    expect(spans.all().map(({ parent, trace_id }) => [parent, trace_id])).toEqual([
      [SPAN, TRACE],
      [null, expect.not.stringMatching(TRACE)],
    ])
  })
})

describe('classes of paths', () => {
  const ID = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'
  test.each([
    [`delta/coordinator/${ID}.json`, 'coordinator_state'],
    [`delta/idempotency/${ID}/ab/ab.json`, 'idempotency_marker'],
    [`delta/staging/${ID}/x.json`, 'staged_payload'],
    [`tables/${ID}/_delta_log/00000000000000000007.json`, 'delta_log_entry'],
    [`warehouse/a/_delta_log/_last_checkpoint`, 'delta_log_checkpoint'],
    [`warehouse/a/_delta_log/00000000000000000010.checkpoint.parquet`, 'delta_log_checkpoint'],
    ['manifests/catalog.pointer.json', 'catalog'],
    ['snapshots/catalog/v1/tables.parquet', 'catalog'],
    ['locks/orchestration.compaction.lock.json', 'lock'],
    ['ledger/orchestration/2026-02-21/01J.json', 'event'],
    ['state/orchestration/manifest.pointer.json', 'projection_pointer'],
    ['state/orchestration/manifests/00000000000000000001.json', 'projection_manifest'],
    ['state/orchestration/base/01J/runs.parquet', 'projection_artifact'],
    ['state/orchestration/l0/01J/runs.parquet', 'projection_artifact'],
    ['state/orchestration/rebuilds/x.json', 'rebuild_input'],
    ['elsewhere/acme', 'other'],
  ])('%s: %s', (path, name) => {
    expect(pathClass(path)).toBe(name)
  })
})
