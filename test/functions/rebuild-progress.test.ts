/** RB-8: how far a rebuild is, as lines while it works and from the store at any time; a client that goes away loses nothing. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { DEFAULT_COMPACTOR_SETTINGS } from '../../functions/compactor-settings.ts'
import { SILENT_LOG, type RequestFacts } from '../../functions/logging.ts'
import {
  compactorBench,
  type CompactorBench,
  type CompactorBenchOptions,
} from '../support/compactor-bench.ts'
import { loopback } from '../support/loopback.ts'
import { eventsAt, idAt } from '../support/projection-events.ts'
import { WORLD_START_MS } from '../support/projection-world.ts'
import { expectProblem } from '../support/problems.ts'

const SMALL_CHUNKS = {
  projection: { ...DEFAULT_COMPACTOR_SETTINGS.projection, chunk_events: 2 },
}
const NDJSON = 'application/x-ndjson'
const LIST = 'state/orchestration/rebuilds/all.json'
const LOCK = 'locks/orchestration.compaction.lock.json'

/** A rebuild of this many events in chunks of two. */
function longRebuild(events: number, options: CompactorBenchOptions = {}): CompactorBench {
  const bench = compactorBench({ ...options, compactor: { ...SMALL_CHUNKS, ...options.compactor } })
  bench.list('all', bench.append(eventsAt(0, events)))
  return bench
}

function rebuildRequest(accept: string, body: object = {}): Request {
  return new Request('http://tidemark.test/rebuild', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept },
    body: JSON.stringify({ rebuild_manifest_path: LIST, ...body }),
  })
}

type Line = Readonly<Record<'progress' | 'result' | 'problem', Readonly<Record<string, unknown>>>>

async function linesOf(response: Response): Promise<Line[]> {
  const text = await response.text()
  expect(text.endsWith('\n')).toBe(true)
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

/** A store whose reads of events wait until somebody lets them go on. */
function heldReads(): {
  readonly wrap: NonNullable<CompactorBenchOptions['wrap']>
  readonly reached: Promise<void>
  goOn(): void
} {
  const reached = Promise.withResolvers<void>()
  const going = Promise.withResolvers<void>()
  return {
    reached: reached.promise,
    goOn: () => going.resolve(),
    wrap: (store) => ({
      ...store,
      async get(key, options) {
        if (key.includes(idAt(2))) {
          reached.resolve()
          await going.promise
        }
        return store.get(key, options)
      },
    }),
  }
}

describe('lines, on Accept: application/x-ndjson', () => {
  test('one before the first chunk, one after each, then the answer', async () => {
    const clock = { now_ms: WORLD_START_MS, advance: (ms: number) => void (clock.now_ms += ms) }
    const bench = longRebuild(5, {
      clock,
      wrap: (store) => ({
        ...store,
        async get(key, options) {
          if (key.includes('/ledger/')) clock.advance(100)
          return store.get(key, options)
        },
      }),
    })
    const response = await bench.service.app.fetch(rebuildRequest(`text/html, ${NDJSON};q=0.9`))
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe(NDJSON)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('x-request-id')).toMatch(/\S/)
    const lines = await linesOf(response)
    const numbers = lines.flatMap(({ progress }) =>
      progress === undefined
        ? []
        : [
            [
              progress['events_read'],
              progress['events_folded'],
              progress['events_published'],
              progress['remaining'],
              progress['events_per_second'],
            ],
          ],
    )
    expect(numbers).toEqual([
      [0, 0, 0, 5, 0],
      [2, 2, 2, 3, 10],
      [4, 4, 4, 1, 10],
      [5, 5, 5, 0, 10],
    ])
    expect(lines.at(-1)?.result).toMatchObject({ events_processed: 5, remaining: 0, revisions: 3 })
    expect(lines[0]?.progress).toMatchObject({
      mode: 'incremental',
      listed: 5,
      events_total: 5,
      rebuild_id: lines.at(-1)?.result['rebuild_id'],
    })
  })

  test('from scratch nothing is published before the end', async () => {
    const bench = longRebuild(5)
    const lines = await linesOf(await bench.service.app.fetch(rebuildRequest(NDJSON, { mode: 'full' })))
    expect(lines.map(({ progress }) => progress?.['events_published'])).toEqual([0, 0, 0, 0, 5, undefined])
    expect(lines.map(({ progress }) => progress?.['events_folded'])).toEqual([0, 2, 4, 5, 5, undefined])
  })

  test('a refusal before there is progress has its own status; one behind it is the last line', async () => {
    const bench = longRebuild(5)
    const missing = await bench.service.app.fetch(
      rebuildRequest(NDJSON, { rebuild_manifest_path: 'state/orchestration/rebuilds/none.json' }),
    )
    const { status, headers } = missing
    expectProblem({ status, headers, body: await missing.json() }, { reason: 'rebuild_manifest_not_found' })
    bench.write(`ledger/orchestration/2026-02-21/${idAt(3)}.json`, 'no event')
    const lines = await linesOf(await bench.service.app.fetch(rebuildRequest(NDJSON)))
    expect(lines.at(-1)?.problem).toMatchObject({
      reason: 'event_invalid',
      status: 422,
      error: expect.stringContaining(idAt(3)),
      progress: { watermark_after: idAt(1), remaining: 3 },
    })
  })

  test('a bug behind the first line is a line as well, and says nothing of its cause', async () => {
    const bench = longRebuild(5, {
      wrap: (store) => ({
        ...store,
        get: async (key, options) =>
          key.includes(idAt(3)) ? Promise.reject(new TypeError('secret')) : store.get(key, options),
      }),
    })
    const lines = await linesOf(await bench.service.app.fetch(rebuildRequest(NDJSON)))
    expect(lines.at(-1)?.problem).toMatchObject({ reason: 'internal', status: 500 })
    expect(JSON.stringify(lines)).not.toContain('secret')
  })

  test.each(['*/*', 'application/json', 'application/*'])(
    'Accept: %s is answered once, at the end',
    async (accept) => {
      const response = await longRebuild(3).service.app.fetch(rebuildRequest(accept))
      expect(response.headers.get('content-type')).toBe('application/json')
      expect(await response.json()).toMatchObject({ events_processed: 3 })
    },
  )

  test('the request is logged when the work has ended, with what became of it', async () => {
    const logged: RequestFacts[] = []
    const log = { ...SILENT_LOG, request: (facts: RequestFacts) => void logged.push(facts) }
    const held = heldReads()
    const bench = longRebuild(5, { log, wrap: held.wrap })
    const response = await bench.service.app.fetch(rebuildRequest(NDJSON))
    await held.reached
    expect(logged).toEqual([])
    held.goOn()
    await linesOf(response)
    await bench.service.app.drain()
    expect(logged).toMatchObject([{ route: '/rebuild', status: 200, events_processed: 5, remaining: 0 }])
  })
})

describe('a client that goes away', () => {
  test.each([NDJSON, 'application/json'])(
    'Accept: %s: a request aborted in the middle is finished',
    async (accept) => {
      const held = heldReads()
      const bench = longRebuild(5, { wrap: held.wrap })
      const client = new AbortController()
      const answer = bench.service.app.fetch(new Request(rebuildRequest(accept), { signal: client.signal }))
      await held.reached
      client.abort()
      held.goOn()
      await answer
      await bench.service.app.drain()
      expect((await bench.service.request('GET', '/rebuilds/all')).body).toMatchObject({
        remaining: 0,
        lock: null,
      })
    },
  )

  test('that stops reading its lines does not stop the work, and a stop of the server waits for it', async () => {
    const held = heldReads()
    const bench = longRebuild(5, { wrap: held.wrap })
    const response = await bench.service.app.fetch(rebuildRequest(NDJSON))
    await held.reached
    await response.body?.cancel()
    let is_drained = false
    const drained = bench.service.app.drain().then(() => {
      is_drained = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(is_drained).toBe(false)
    held.goOn()
    await drained
    expect((await bench.service.request('GET', '/rebuilds/all')).body).toMatchObject({ remaining: 0 })
  })

  test('a runtime that ends work with its request is asked for the time', async () => {
    const held = heldReads()
    const bench = longRebuild(5, { wrap: held.wrap })
    const lasting: Promise<unknown>[] = []
    const lifetime = { waitUntil: (work: Promise<unknown>) => void lasting.push(work) }
    const response = await bench.service.app.fetch(rebuildRequest(NDJSON), undefined, lifetime)
    await held.reached
    expect(lasting.length).toBeGreaterThan(0)
    await response.body?.cancel()
    held.goOn()
    await Promise.all(lasting)
    expect((await bench.service.request('GET', '/rebuilds/all')).body).toMatchObject({ remaining: 0 })
  })

  test.each([NDJSON, 'application/json'])('a connection that breaks, Accept: %s', async (accept) => {
    const held = heldReads()
    const bench = longRebuild(5, { wrap: held.wrap })
    const server = await loopback(bench.service.app)
    onTestFinished(async () => server.close())
    const client = await server.open()
    const body = JSON.stringify({ rebuild_manifest_path: LIST })
    await client.send(
      `POST /rebuild HTTP/1.1\r\nHost: tidemark.test\r\nContent-Type: application/json\r\nAccept: ${accept}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    await held.reached
    client.destroy()
    held.goOn()
    await vi.waitFor(async () => {
      const { body: standing } = await bench.service.request('GET', '/rebuilds/all')
      expect(standing).toMatchObject({ remaining: 0, lock: null })
    })
  })
})

describe('GET /rebuilds/{rebuild}', () => {
  test('tells from the store how far it is, in another process than the one at work', async () => {
    const held = heldReads()
    const bench = longRebuild(5, { wrap: held.wrap })
    const other = compactorBench({ store: bench.store, compactor: SMALL_CHUNKS })
    const look = async (): Promise<Record<string, unknown>> =>
      (await other.service.request('GET', '/rebuilds/all')).body
    expect(await look()).toEqual({
      rebuild_manifest_path: LIST,
      listed: 5,
      events_total: 5,
      events_published: 0,
      remaining: 5,
      watermark: null,
      manifest_id: null,
      manifest_revision: null,
      published_at: null,
      damage: null,
      from_scratch: null,
      lock: null,
    })
    const working = bench.rebuild({ rebuild_manifest_path: LIST })
    await held.reached
    expect(await look()).toMatchObject({
      events_published: 2,
      remaining: 3,
      watermark: idAt(1),
      published_at: '2026-02-21T12:00:00Z',
      lock: { operation: 'rebuild', expires_at: '2026-02-21T12:00:30Z' },
    })
    held.goOn()
    const { body } = await working
    expect(await look()).toMatchObject({
      events_published: 5,
      remaining: 0,
      manifest_id: body.manifest_id,
      manifest_revision: body.manifest_revision,
      lock: null,
    })
  })

  test('a rebuild from scratch that was left in the middle: its private chunks, while readers see the old one', async () => {
    const bench = longRebuild(5, { compactor: { events_budget: 2 } })
    const { body: begun } = await bench.rebuild({ rebuild_manifest_path: LIST, mode: 'full' })
    const { body } = await bench.service.request('GET', '/rebuilds/all.json')
    expect(body).toMatchObject({
      events_published: 0,
      from_scratch: { rebuild_id: begun.rebuild_id, events_folded: 2, remaining: 3 },
    })
  })

  test('a projection and a lock that cannot be read are told, and do not hide the list', async () => {
    const bench = longRebuild(3)
    bench.write('state/orchestration/manifest.pointer.json', 'not json')
    bench.write(LOCK, 'not json')
    const { status, body } = await bench.service.request('GET', '/rebuilds/all')
    expect(status).toBe(200)
    expect(body).toMatchObject({ events_total: 3, events_published: 0, damage: 'pointer', lock: null })
  })

  test('a list in a folder is named with its slash encoded', async () => {
    const bench = compactorBench()
    bench.list('incident-7/second', [])
    const { body } = await bench.service.request('GET', '/rebuilds/incident-7%2Fsecond')
    expect(body).toMatchObject({
      rebuild_manifest_path: 'state/orchestration/rebuilds/incident-7/second.json',
    })
  })

  test.each([
    ['none', 'rebuild_manifest_not_found'],
    ['..%2F..%2F..%2Ftenant=rival', 'bad_request'],
    ['%2e%2e%2fx', 'bad_request'],
    ['a%5Cb', 'bad_request'],
    ['a%00b', 'bad_request'],
    ['%', 'bad_request'],
    ['.json', 'bad_request'],
    [`${'a'.repeat(1_100)}`, 'bad_request'],
  ])('%s: %s', async (name, reason) => {
    const answer = await compactorBench().service.request('GET', `/rebuilds/${name}`)
    expectProblem(answer, { reason })
    expect(answer.body.error).toBe(answer.body.detail)
  })

  test('a rebuild_id is no name of a list, and the refusal says so', async () => {
    const bench = longRebuild(3)
    const { body } = await bench.rebuild({ rebuild_manifest_path: LIST })
    expectProblem(await bench.service.request('GET', `/rebuilds/${body.rebuild_id}`), {
      reason: 'rebuild_manifest_not_found',
      detail: /; ask with the name of the list, not with a rebuild_id$/,
    })
  })

  test('a list that does not parse is refused like a rebuild from it', async () => {
    const bench = compactorBench()
    bench.write('state/orchestration/rebuilds/broken.json', '{}')
    expectProblem(await bench.service.request('GET', '/rebuilds/broken'), {
      reason: 'rebuild_manifest_invalid',
    })
  })

  test('writes nothing', async () => {
    const bench = longRebuild(3)
    const before = bench.store.dump()
    await bench.service.request('GET', '/rebuilds/all')
    expect(bench.store.dump()).toEqual(before)
  })
})
