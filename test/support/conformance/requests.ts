/** Minimum conformance scenarios of spec/coordinator.md 14.1: what a request is told and what it leaves in the bucket. */
import { expect, test } from 'vitest'
import { arcoMarker, fullInflight, leaveIn } from '../crash-windows.ts'
import { commitKeys, freshId, sha256Hex, START_MS } from '../service.ts'
import { forbidListing, type MakeStore } from '../stores.ts'
import { legacyHashOf, logKey, requestHashOf, useTables, type Table, type Writer } from '../tables.ts'

const STALE = '409 stale_read_version latest v'

/** A commit body as the client writes it. */
function withoutTable({ call }: Writer): Omit<Writer['call'], 'table_id'> {
  const { table_id: _table_id, ...body } = call
  return body
}

/** CO-01, 02, 06 to 08, 11, 16, 17, 19, 20, 23 to 27, 31, 33; for a `describe` of one kind of store. */
export function requestScenarios(make: MakeStore): void {
  const fresh = useTables(make)

  test('CO-01: commit on an empty table: version 0, log bytes equal, state {0,null}, marker present', async () => {
    const at = fresh()
    const k = await at.writer('K', -1)
    const answer = await at.service.commit(k.call)
    const { idempotency_key, staged_path, staged_version } = k.call
    const keys = commitKeys(at.table_id, idempotency_key, 0)
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({ version: 0, delta_log_path: keys.log })
    const payload_sha256 = sha256Hex(k.payload)
    const commit = { read_version: -1, staged_path, payload_sha256, version: 0, delta_log_path: keys.log }
    // The order of members is that of coordinator.md 3; revision starts at the clock and has counted two writes.
    expect(await at.bucket.all()).toEqual({
      [staged_path]: k.payload,
      [keys.log]: k.payload,
      [keys.state]: JSON.stringify({
        latest_version: 0,
        inflight: null,
        last_commit: { commit_id: idempotency_key, ...commit },
        revision: START_MS + 1,
      }),
      [keys.marker]: JSON.stringify({
        idempotency_key,
        idempotency_key_hash: sha256Hex(idempotency_key),
        request_hash: requestHashOf(k),
        version: 0,
        delta_log_path: keys.log,
        committed_at_ms: START_MS,
        payload_sha256,
        read_version: -1,
        staged_path,
        staged_version,
      }),
    })
  })

  test('CO-02: stale read_version: 409, no reservation left', async () => {
    const at = fresh()
    await at.history(2)
    const k = await at.writer('K', 1)
    const before = await at.bucket.all()
    const answer = await at.service.commit(k.call)
    expect(answer.status).toBe(409)
    expect(answer.body).toMatchObject({
      reason: 'stale_read_version',
      detail: 'stale read_version: expected 2, got 1',
      latest_version: 2,
      retryable: false,
    })
    expect(await at.bucket.all()).toEqual(before)
  })

  test('CO-06: three replays get the identical answer and write nothing', async () => {
    const at = fresh()
    const k = await at.writer('K', -1)
    const first = await at.service.commit(k.call)
    const before = await at.bucket.all()
    const tokens = await Promise.all(Object.keys(before).map(async (key) => at.bucket.token(key)))
    for (let replay = 1; replay <= 3; replay++) {
      const again = await at.process().commit(k.call)
      expect([again.status, again.body]).toEqual([200, first.body])
    }
    expect(await at.bucket.all()).toEqual(before)
    expect(await Promise.all(Object.keys(before).map(async (key) => at.bucket.token(key)))).toEqual(tokens)
  })

  /** The staged object is deleted and put again: another generation under the same path. */
  async function putAgain(at: Table, k: Writer, payload: string): Promise<Writer['call']> {
    await at.bucket.remove(k.call.staged_path)
    return { ...k.call, staged_version: await at.bucket.write(k.call.staged_path, payload) }
  }

  test('CO-07: the same bytes staged again, new staged_version, same key: 200 same version', async () => {
    const at = fresh()
    const k = await at.committed('K', -1)
    const again = await putAgain(at, k, k.payload)
    // Stores whose ETag is a hash of the content give the same token again (spec/storage.md 5.4).
    expect(again.staged_version === k.call.staged_version).toBe(at.has_content_tokens)
    expect(at.told(await at.service.commit(again), -1)).toBe('200 v')
  })

  test('CO-08: different bytes staged again, same key: key_reuse', async () => {
    const at = fresh()
    const k = await at.committed('K', -1)
    const again = await putAgain(at, k, '{"commitInfo":{"timestamp":2}}\n')
    expect(at.told(await at.service.commit(again), -1)).toBe('409 key_reuse')
    expect((await at.picture(-1)).log).toEqual(['K@v'])
  })

  test('CO-16: state object deleted, logs 0..3 exist, read_version 3: 200 at 4', async () => {
    const at = fresh()
    await at.history(3)
    await at.bucket.remove(commitKeys(at.table_id, '', 0).state)
    const k = await at.writer('K', 3)
    expect(at.told(await at.service.commit(k.call), 3)).toBe('200 v')
    expect(await at.picture(3)).toEqual({ state: '{v, null}', log: ['K@v'], markers: ['K@v'], staged: ['K'] })
  })

  test('CO-17: state object deleted, logs exist, read_version -1: 409, no write, and 409 again', async () => {
    const at = fresh()
    await at.history(3)
    await at.bucket.remove(commitKeys(at.table_id, '', 0).state)
    const k = await at.writer('K', -1)
    const before = await at.bucket.all()
    for (const attempt of [1, 2]) {
      const answer = await at.service.commit(k.call)
      expect([attempt, answer.status, answer.body.reason, answer.body.state_missing]).toEqual([
        attempt,
        409,
        'stale_read_version',
        true,
      ])
    }
    expect(await at.bucket.all()).toEqual(before)
  })

  test('CO-19: a marker with the legacy hash replays as 200, with and without the staged object', async () => {
    const at = fresh()
    const k = await at.writer('K', -1)
    await leaveIn(at, 'W4', k, 'arco')
    const marker = { ...arcoMarker(at, k), request_hash: legacyHashOf(k) }
    await at.bucket.write(at.keys(k, 0).marker, JSON.stringify(marker))
    const before = await at.bucket.all()
    expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
    expect(await at.bucket.all()).toEqual(before)
    await at.bucket.remove(k.call.staged_path)
    expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
  })

  test('CO-20: the same generation in the plain and in the reference spelling is the same', async () => {
    const at = fresh()
    const k = await at.writer('K', -1)
    const call = { ...k.call, staged_version: otherSpelling(k.call.staged_version) }
    expect(call.staged_version).not.toBe(k.call.staged_version)
    expect(at.told(await at.service.commit(call), -1)).toBe('200 v')
    expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
  })

  test('CO-23: unknown members of state and marker are ignored, and those of the state kept on rewrite', async () => {
    const at = fresh()
    await at.history(0)
    const future = { note: 'ünknown', deep: [1, { '2': null }] }
    await at.setState({ ...(await at.state()), future })
    const k = await at.writer('K', 0)
    expect(at.told(await at.service.commit(k.call), 0)).toBe('200 v')
    expect(await at.state()).toMatchObject({ latest_version: 1, inflight: null, future })
    const { marker } = at.keys(k, 1)
    const document = JSON.parse((await at.bucket.read(marker)) ?? '')
    await at.bucket.write(marker, JSON.stringify({ ...document, future }))
    expect(at.told(await at.service.commit(k.call), 0)).toBe('200 v')
  })

  test.each([
    ['not JSON', '{"latest_version":0,'],
    ['not an object', '[]'],
    ['empty', ''],
    ['a missing member', '{"inflight":null}'],
    ['a wrong type', '{"latest_version":"0","inflight":null}'],
    ['a fraction', '{"latest_version":0.5,"inflight":null}'],
    ['a duplicate member', '{"latest_version":0,"latest_version":1,"inflight":null}'],
    ['a version below -1', '{"latest_version":-2,"inflight":null}'],
    ['CO-25: a version above 2^53-1', '{"latest_version":9007199254740993,"inflight":null}'],
    ['an incomplete reservation', '{"latest_version":0,"inflight":{"commit_id":"x","version":1}}'],
  ])('CO-24: a state that is %s: 500 state_corrupt, object unchanged', async (_why, text) => {
    const at = fresh()
    const k = await at.writer('K', 0)
    const { state } = at.keys(k, 1)
    await at.bucket.write(state, text)
    const before = await at.bucket.all()
    const answers = [
      await at.service.commit(k.call),
      await at.service.recover(at.table_id),
      await at.service.inspect(at.table_id),
    ]
    expect(answers.map(({ status, body }) => [status, body.reason])).toEqual([
      [500, 'state_corrupt'],
      [500, 'state_corrupt'],
      [500, 'state_corrupt'],
    ])
    expect(answers.some(({ body }) => JSON.stringify(body).includes(state))).toBe(false)
    expect(await at.bucket.all()).toEqual(before)
  })

  test.each([
    ['not JSON', (): string => '{'],
    [
      'that of another key',
      (text: string): string => text.replace(/"idempotency_key":"[^"]*"/, '"idempotency_key":"x"'),
    ],
    ['without a version', (text: string): string => text.replace(/"version":0,/, '')],
    [
      'with another path than its version',
      (text: string): string => text.replace('00000000.json', '00000001.json'),
    ],
  ])('J-5: a marker that is %s: 500 marker_corrupt, objects unchanged', async (_why, damage) => {
    const at = fresh()
    const k = await at.committed('K', -1)
    const { marker } = at.keys(k, 0)
    await at.bucket.write(marker, damage((await at.bucket.read(marker)) ?? ''))
    const before = await at.bucket.all()
    const { status, body } = await at.service.commit(k.call)
    expect([status, body.reason]).toEqual([500, 'marker_corrupt'])
    expect(await at.bucket.all()).toEqual(before)
  })

  test('3.1: a reservation that skips a version: 500 state_invariant, object unchanged', async () => {
    const at = fresh()
    const k = await at.writer('K', 1)
    await at.setState({ latest_version: 0, inflight: fullInflight(at, k), revision: 3 })
    const before = await at.bucket.all()
    const { status, body } = await at.service.commit(k.call)
    expect([status, body.reason]).toEqual([500, 'state_invariant'])
    expect(await at.bucket.all()).toEqual(before)
  })

  test.each(['delta/staging/OTHER/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json', 'tables/secret.json', '../../x.json'])(
    'S25: a reservation that names %s: 500 state_corrupt, and the object is never read',
    async (staged_path) => {
      const at = fresh()
      const k = await at.writer('K', -1)
      await at.setState({ latest_version: -1, inflight: { ...fullInflight(at, k), staged_path } })
      const read: string[] = []
      const spying = at.process({
        wrap: (store) => ({
          ...store,
          async get(key, options) {
            read.push(key)
            return store.get(key, options)
          },
        }),
      })
      const { status, body } = await spying.commit(k.call)
      expect([status, body.reason]).toEqual([500, 'state_corrupt'])
      expect(read.filter((key) => key.endsWith(staged_path.replaceAll('../', '')))).toEqual([])
    },
  )

  test('CO-25: a read_version outside of ±(2^53-1) is 400 without storage access', async () => {
    const at = fresh()
    const k = await at.writer('K', -1)
    const calls: string[] = []
    const never = (key: string): never => {
      calls.push(key)
      throw new Error('no storage access expected')
    }
    const process = at.process({
      wrap: (store) => ({ ...store, get: async (key) => never(key), put: async (key) => never(key) }),
    })
    const statuses: unknown[] = []
    for (const literal of ['9007199254740993', '9007199254740992', '-9007199254740993', '-2', '1.0', '1e3']) {
      const body = JSON.stringify(withoutTable(k))
      const sent = body.replace('"read_version":-1', `"read_version":${literal}`)
      const answer = await process.request('POST', `/api/v1/delta/tables/${at.table_id}/commits`, sent)
      statuses.push([literal, answer.status, answer.body.reason, answer.body.detail])
    }
    expect(statuses).toEqual([
      ['9007199254740993', 400, 'bad_request', 'read_version must be a safe integer'],
      ['9007199254740992', 400, 'bad_request', 'read_version must be a safe integer'],
      ['-9007199254740993', 400, 'bad_request', 'read_version must be a safe integer'],
      ['-2', 400, 'bad_request', 'read_version must be >= -1'],
      ['1.0', 422, 'unprocessable', expect.stringContaining('read_version must be an integer')],
      ['1e3', 422, 'unprocessable', expect.stringContaining('read_version must be an integer')],
    ])
    expect(calls).toEqual([])
  })

  test('CO-26: the table is dropped after the commit: replay 200', async () => {
    const table_id = freshId()
    const at = fresh({ table_id, resolver: { mode: 'static', tables: new Map([[table_id, null]]) } })
    const k = await at.committed('K', -1)
    const dropped = at.process({ resolver: { mode: 'static', tables: new Map() } })
    expect(at.told(await dropped.commit(k.call), -1)).toBe('200 v')
    const l = await at.writer('L', 0)
    expect(at.told(await dropped.commit(l.call), -1)).toBe('404 table_not_found')
  })

  test('CO-27: the location changes between reserve and replay: the log is written at the pinned path', async () => {
    const table_id = freshId()
    const at = fresh({
      table_id,
      root: 'warehouse/old',
      resolver: { mode: 'static', tables: new Map([[table_id, 'warehouse/old']]) },
    })
    const k = await at.writer('K', -1)
    await leaveIn(at, 'W1', k, 'tidemark')
    const moved = at.process({ resolver: { mode: 'static', tables: new Map([[table_id, 'warehouse/new']]) } })
    const answer = await moved.commit(k.call)
    expect(answer.body).toEqual({ version: 0, delta_log_path: logKey('warehouse/old', 0) })
    expect((await at.picture(-1)).log).toEqual(['K@v'])
  })

  test('CO-28: the store that processes get refuses to list and to delete, and remembers it', async () => {
    const { store, close } = make()
    const { store: guarded, violations } = forbidListing(store)
    await expect(guarded.listPage({ prefix: 'delta', limit: 1 })).rejects.toThrow('must not list delta')
    await expect(guarded.delete('delta/x')).rejects.toThrow('must not delete delta/x')
    expect(violations).toEqual(['list delta', 'delete delta/x'])
    close()
  })

  test('CO-31: a ghost reservation of a decided key: its body is told key_reuse, ghost gone, no log entry (X12)', async () => {
    const at = fresh()
    const k = await at.committed('K', -1)
    const two = await at.writer('K with body 2', 0, { idempotency_key: k.call.idempotency_key })
    await at.setState({ latest_version: 0, inflight: fullInflight(at, two), revision: 7 })
    expect(at.told(await at.service.commit(two.call), -1)).toBe('409 key_reuse')
    expect(await at.picture(-1)).toEqual({
      state: '{v, null}',
      log: ['K@v'],
      markers: ['K@v'],
      staged: ['K', 'K with body 2'],
    })
  })

  test('X20: replaying the first body with that ghost in the state: 200, and no version without a log entry', async () => {
    const at = fresh()
    const k = await at.committed('K', -1)
    const two = await at.writer('K with body 2', 0, { idempotency_key: k.call.idempotency_key })
    await at.setState({ latest_version: 0, inflight: fullInflight(at, two), revision: 7 })
    expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
    expect((await at.picture(-1)).state).toBe('{v, null}')
  })

  test('CO-33: a foreign entry at latest+1, nothing reserved, read_version latest+1: 200 at latest+2 (C14)', async () => {
    const at = fresh()
    await at.history(0)
    await at.foreign(1)
    const k = await at.writer('K', 1)
    expect(at.told(await at.service.commit(k.call), 0)).toBe('200 v+1')
    expect(await at.picture(0)).toEqual({
      state: '{v+1, null}',
      log: ['foreign@v', 'K@v+1'],
      markers: ['K@v+1'],
      staged: ['K'],
    })
  })

  test('CO-11: a foreign log at v: log_conflict, and the second identical request is never 200 (X1)', async () => {
    const at = fresh()
    await at.history(0)
    await at.foreign(1)
    const k = await at.writer('K', 0)
    const before = await at.bucket.read(logKey(at.root, 1))
    expect(at.told(await at.service.commit(k.call), 0)).toBe('409 log_conflict latest v')
    expect(at.told(await at.service.commit(k.call), 0)).toBe(STALE)
    expect(await at.picture(0)).toEqual({
      state: '{v, null}',
      log: ['foreign@v'],
      markers: [],
      staged: ['K'],
    })
    expect(await at.bucket.read(logKey(at.root, 1))).toBe(before)
  })
}

/** Another text for the same generation, in the spelling that the store does not use (spec/storage.md 5.3). */
function otherSpelling(token: string): string {
  if (token.startsWith('{')) return String(JSON.parse(token).e_tag)
  if (/^[0-9]+$/.test(token)) return JSON.stringify({ e_tag: '"x"', version: token })
  const e_tag = token.startsWith('"') ? token : `"${token}"`
  return JSON.stringify({ e_tag, version: null })
}
