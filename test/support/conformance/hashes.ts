/** CO-30 through the HTTP handler: the markers of the worked examples of spec/coordinator.md 4.2. */
import { expect, test } from 'vitest'
import { HASH_VECTORS, VECTOR_TABLE, type HashVector } from '../hash-vectors.ts'
import { commitKeys, START_MS } from '../service.ts'
import type { MakeStore } from '../stores.ts'
import { logKey, useTables, type Table } from '../tables.ts'

/** The golden marker of spec/coordinator.md 3.2. */
const GOLDEN_H1 =
  '{"idempotency_key":"0194f5a0-2000-7abc-8def-0123456789ab","idempotency_key_hash":"bc64749fc56f7804882c7df20604a8986ebd57e6b8fe669b624033bdc8c26f5f","request_hash":"4033a7110a23fe4a260d8c275f52c3829059be9b4f91950c725aeaf6abf83784","version":0,"delta_log_path":"tables/0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11/_delta_log/00000000000000000000.json","committed_at_ms":1739443200450}'

/** CO-30; for a `describe` of one kind of store. */
export function hashScenarios(make: MakeStore): void {
  const fresh = useTables(make)

  /** The table of the vector at its `read_version`, and the request as it would be sent. */
  async function tableOf(
    vector: HashVector,
  ): Promise<{ at: Table; call: Parameters<Table['service']['commit']>[0] }> {
    const { idempotency_key, read_version, staged_path } = vector
    const at = fresh({ table_id: VECTOR_TABLE })
    const staged_version = await at.bucket.write(staged_path, new TextDecoder().decode(vector.payload))
    if (read_version >= 0) await at.setState({ latest_version: read_version, inflight: null })
    return {
      at,
      call: { table_id: VECTOR_TABLE, read_version, staged_path, staged_version, idempotency_key },
    }
  }

  for (const vector of HASH_VECTORS) {
    const { name, idempotency_key, read_version, request_hash, legacy_hash } = vector
    const { marker: marker_key } = commitKeys(VECTOR_TABLE, idempotency_key, 0)

    test(`CO-30, ${name}: the marker of a commit holds request_hash ${request_hash.slice(0, 8)}…`, async () => {
      const { at, call } = await tableOf(vector)
      expect((await at.service.commit(call)).body.version).toBe(read_version + 1)
      const marker = JSON.parse((await at.bucket.read(marker_key)) ?? 'null')
      expect(marker).toMatchObject({ request_hash, payload_sha256: vector.payload_sha256 })
      expect(await at.bucket.read(marker.delta_log_path)).toBe(new TextDecoder().decode(vector.payload))
    })

    test.each(['request_hash', 'legacy_hash'] as const)(
      `CO-30, ${name}: a marker with %s is this request's`,
      async (which) => {
        const { at, call } = await tableOf(vector)
        const version = read_version + 1
        const delta_log_path = logKey(at.root, version)
        await at.bucket.write(delta_log_path, new TextDecoder().decode(vector.payload))
        await at.setState({ latest_version: version, inflight: null })
        await at.bucket.write(
          marker_key,
          JSON.stringify({
            idempotency_key,
            idempotency_key_hash: marker_key.slice(-69, -5),
            request_hash: which === 'request_hash' ? request_hash : legacy_hash,
            version,
            delta_log_path,
            committed_at_ms: START_MS,
          }),
        )
        await at.bucket.remove(vector.staged_path)
        const { status, body } = await at.service.commit({ ...call, staged_version: vector.staged_version })
        expect([status, body]).toEqual([200, { version, delta_log_path }])
      },
    )
  }

  test('CO-30, 3.2: the marker of H1 is the golden one, with the additive members behind', async () => {
    const [h1] = HASH_VECTORS
    if (h1 === undefined) throw new Error('no vector')
    const { at, call } = await tableOf(h1)
    at.clock.now_ms = 1_739_443_200_450
    await at.service.commit(call)
    const text = await at.bucket.read(commitKeys(VECTOR_TABLE, h1.idempotency_key, 0).marker)
    expect(text?.startsWith(`${GOLDEN_H1.slice(0, -1)},"payload_sha256":`)).toBe(true)
  })

  test('CO-30, H3: an integer above 2^53 is rejected with 400, no storage access', async () => {
    const at = fresh({ table_id: VECTOR_TABLE })
    const body =
      '{"read_version":9007199254740993,"staged_path":"delta/staging/0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11/01JKTT400000000000000000ZZ.json","staged_version":"\\"etag-with-quotes\\""}'
    const process = at.process({
      wrap: (store) => ({
        ...store,
        get: async (key) => Promise.reject(new Error(`no storage access expected: ${key}`)),
        put: async (key) => Promise.reject(new Error(`no storage access expected: ${key}`)),
      }),
    })
    const headers = { 'idempotency-key': '0194f5a2-0000-7000-bfff-fffffffffffe' }
    const path = `/api/v1/delta/tables/${VECTOR_TABLE}/commits`
    const answer = await process.request('POST', path, body, headers)
    expect([answer.status, answer.body.reason]).toEqual([400, 'bad_request'])
    expect(answer.body.detail).toBe('read_version must be a safe integer')
  })
}
