import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createEnvironment } from '../../../functions/environment.ts'
import { encodeMarker, parseMarker, type Marker } from '../../../lib/protocol/delta/marker.ts'
import { markerKey } from '../../../lib/protocol/delta/objects.ts'
import { tableResolver } from '../../../lib/protocol/delta/resolve.ts'
import { encodeState, parseState, type CoordinatorState } from '../../../lib/protocol/delta/state.ts'
import { buildMarker } from '../../../lib/protocol/delta/writes.ts'
import type { Protocol } from '../../../lib/protocol/effects.ts'
import { run } from '../../../lib/protocol/run.ts'
import { memoryStore } from '../../../lib/store/memory.ts'
import type { MaintenanceStore } from '../../../lib/store/types.ts'
import { withoutAdditive } from '../../support/arco-compare.ts'
import {
  readArcoMarker,
  readArcoState,
  rewrittenByArco,
  sha256,
  writeArco,
} from '../../support/arco-documents.ts'
import { freshId, testService } from '../../support/service.ts'

const TABLE = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'
const KEY = '0194f5a0-2000-7abc-8def-0123456789ab'
const STAGED = `delta/staging/${TABLE}/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json`
const LOG = `tables/${TABLE}/_delta_log/00000000000000000000.json`

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)

/** The golden bytes of spec/coordinator.md 3.1 and 3.2, with the length and SHA-256 printed there. */
const GOLDEN = {
  reserved: {
    text: `{"latest_version":-1,"inflight":{"commit_id":"${KEY}","read_version":-1,"version":0,"staged_path":"${STAGED}","staged_version":"1","started_at_ms":1739443200000,"expires_at_ms":1739443500000}}`,
    length: 295,
    sha256: 'd9510188594f7b31bd3523c52ba169276924c0f3ecd6316bdcccdcc0e34d5522',
  },
  idle: {
    text: '{"latest_version":0,"inflight":null}',
    length: 36,
    sha256: '378969bde520273763bd6ea43b3d786267e2616da148cb50f4d8275908c4c829',
  },
  legacy: {
    text: `{"latest_version":-1,"inflight":{"commit_id":"${KEY}","version":0,"staged_path":"${STAGED}","staged_version":"1","started_at_ms":1739443200000,"expires_at_ms":1739443500000}}`,
    length: 277,
    sha256: '485e9de4344e576f28afb4081e310a5c64e9b2342e47cb87556db3492ad7816d',
  },
  marker: {
    text: `{"idempotency_key":"${KEY}","idempotency_key_hash":"bc64749fc56f7804882c7df20604a8986ebd57e6b8fe669b624033bdc8c26f5f","request_hash":"4033a7110a23fe4a260d8c275f52c3829059be9b4f91950c725aeaf6abf83784","version":0,"delta_log_path":"${LOG}","committed_at_ms":1739443200450}`,
    length: 374,
    sha256: '3f3a8a2d726cb409ad24c8993b7fa2e10732bbfce6a496037b24605b991fd117',
  },
} as const

/** Drive a generator that touches no store. */
async function runPure<R>(protocol: Protocol<R>): Promise<R> {
  const scope = { tenant: 'acme', workspace: 'analytics', bucket: { scheme: 'memory', authority: '' } }
  return run(
    protocol,
    createEnvironment({
      store: memoryStore(),
      resolver: tableResolver({ mode: 'legacy' }, scope),
      note: () => undefined,
    }),
  )
}

describe('coordinator.md 3.1, 3.2 golden bytes', () => {
  test.each(Object.entries(GOLDEN))('%s has the length and digest of the specification', (_, golden) => {
    expect(bytes(golden.text)).toHaveLength(golden.length)
    expect(sha256(golden.text)).toBe(golden.sha256)
  })

  test.each(['reserved', 'idle', 'legacy'] as const)(
    'J-1 the state %s is read and written byte for byte',
    (name) => {
      const golden = bytes(GOLDEN[name].text)
      expect(text(encodeState(parseState(TABLE, golden)))).toBe(GOLDEN[name].text)
      expect(text(writeArco(readArcoState(golden)))).toBe(GOLDEN[name].text)
    },
  )

  test('J-1 the marker is read and written byte for byte', () => {
    const golden = bytes(GOLDEN.marker.text)
    expect(text(encodeMarker(parseMarker('marker', KEY, golden)))).toBe(GOLDEN.marker.text)
    expect(text(writeArco(readArcoMarker(golden)))).toBe(GOLDEN.marker.text)
  })

  test('J-1 members are written in the listed order whatever order they come in', () => {
    const state: CoordinatorState = {
      revision: 7,
      last_commit: {
        delta_log_path: LOG,
        version: 0,
        payload_sha256: sha256('x'),
        staged_path: STAGED,
        read_version: -1,
        commit_id: KEY,
      },
      inflight: {
        nonce: '01JKTT0G00Z4N2V8R6W1X3Y5ZB',
        delta_log_path: LOG,
        payload_sha256: sha256('x'),
        expires_at_ms: 1739443500000,
        started_at_ms: 1739443200000,
        staged_version: '1',
        staged_path: STAGED,
        version: 0,
        read_version: -1,
        commit_id: KEY,
      },
      latest_version: -1,
    }
    const written = text(encodeState(state))
    expect(written.startsWith(GOLDEN.reserved.text.slice(0, -2))).toBe(true)
    expect(withoutAdditive('delta/coordinator/t.json', written)).toBe(GOLDEN.reserved.text)
    expect(Object.keys(JSON.parse(written))).toEqual([
      'latest_version',
      'inflight',
      'last_commit',
      'revision',
    ])
    expect(text(encodeState({ ...state, inflight: null, latest_version: 0 }))).toMatch(
      /^\{"latest_version":0,"inflight":null,"last_commit":\{/,
    )
  })

  test('the marker of vector H1 is the golden one with the additive members behind', async () => {
    const key = await runPure(markerKey(TABLE, KEY))
    const payload = '{"commitInfo":{"timestamp":1}}\n'
    const marker = await runPure(
      buildMarker(
        key,
        {
          idempotency_key: KEY,
          read_version: -1,
          staged_path: STAGED,
          staged_version: '1',
          version: 0,
          delta_log_path: LOG,
          payload_sha256: sha256(payload),
        },
        1739443200450,
      ),
    )
    expect(text(encodeMarker(marker))).toBe(
      `${GOLDEN.marker.text.slice(0, -1)},"payload_sha256":"${sha256(payload)}","read_version":-1,` +
        `"staged_path":"${STAGED}","staged_version":"1"}`,
    )
  })
})

/** A store that keeps the body of every put that was sent. */
function keepPuts(store: MaintenanceStore): {
  readonly store: MaintenanceStore
  readonly puts: { readonly path: string; readonly bytes: Uint8Array }[]
} {
  const puts: { readonly path: string; readonly bytes: Uint8Array }[] = []
  return {
    puts,
    store: {
      ...store,
      put: async (path, body, precondition, options) => {
        puts.push({ path: path.replace(/^tenant=[^/]+\/workspace=[^/]+\//, ''), bytes: body })
        return store.put(path, body, precondition, options)
      },
    },
  }
}

describe("what Tidemark writes, through Arco's structs", () => {
  test('every state and marker of a table that lives parses, and nothing but the listed members is added (J-3)', async () => {
    const { store, puts } = keepPuts(memoryStore({ token_format: 'reference' }))
    const service = testService(store)
    for (let read_version = -1; read_version < 4; read_version++) {
      const staged = await service.stage(TABLE)
      const call = { table_id: TABLE, read_version, ...staged, idempotency_key: freshId() }
      expect((await service.commit(call)).status).toBe(200)
      expect((await service.commit(call)).status).toBe(200)
      service.clock.advance(1_000)
    }
    const states = puts.filter(({ path }) => path.startsWith('delta/coordinator/'))
    const markers = puts.filter(({ path }) => path.startsWith('delta/idempotency/'))
    expect([states.length, markers.length]).toEqual([10, 5])
    for (const put of states) {
      expect(text(rewrittenByArco(put.bytes))).toBe(withoutAdditive(put.path, text(put.bytes)))
    }
    for (const put of markers) {
      expect(text(writeArco(readArcoMarker(put.bytes)))).toBe(withoutAdditive(put.path, text(put.bytes)))
    }
    expect(states.map(({ bytes: body }) => readArcoState(body).latest_version)).toEqual([
      -1, 0, 0, 1, 1, 2, 2, 3, 3, 4,
    ])
  })

  test('J-4 integers are plain decimals of int64, up to the largest version', () => {
    const safe = fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER })
    fc.assert(
      fc.property(safe, (latest_version) => {
        const state = readArcoState(encodeState({ latest_version, inflight: null, revision: 1 }))
        expect(state).toEqual({ latest_version, inflight: null })
      }),
    )
    expect(() => encodeState({ latest_version: 2 ** 53, inflight: null })).toThrow(TypeError)
    expect(() => encodeState({ latest_version: 1.5, inflight: null })).toThrow(TypeError)
  })

  test('strings are escaped so that serde reads back what was meant', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (staged_version) => {
        const inflight = { ...parseState(TABLE, bytes(GOLDEN.reserved.text)).inflight, staged_version }
        const written = bytes(JSON.stringify({ latest_version: -1, inflight }))
        const ours = encodeState(parseState(TABLE, written))
        expect(readArcoState(ours).inflight?.staged_version).toBe(staged_version)
        expect(text(ours)).toBe(text(writeArco(readArcoState(ours))))
      }),
    )
  })
})

describe('the model of the structs is strict', () => {
  const inflight = Object.keys(JSON.parse(GOLDEN.reserved.text).inflight)

  test.each(inflight.filter((name) => name !== 'read_version'))(
    'inflight without %s does not parse',
    (name) => {
      const document = JSON.parse(GOLDEN.reserved.text)
      delete document.inflight[name]
      expect(() => readArcoState(bytes(JSON.stringify(document)))).toThrow(name)
    },
  )

  test.each(Object.keys(JSON.parse(GOLDEN.marker.text)))('a marker without %s does not parse', (name) => {
    const document = JSON.parse(GOLDEN.marker.text)
    delete document[name]
    expect(() => readArcoMarker(bytes(JSON.stringify(document)))).toThrow(name)
  })

  test.each([
    ['{"inflight":null}', 'latest_version: expected an integer'],
    ['{"latest_version":"0","inflight":null}', 'latest_version: expected an integer'],
    ['{"latest_version":1.0,"inflight":null}', 'latest_version: expected an integer'],
    ['{"latest_version":0,"latest_version":0}', 'member'],
    ['{"latest_version":0,"inflight":[]}', 'inflight: expected an object'],
    ['{"latest_version":0} ,', 'expected'],
  ])('%s does not parse', (document, message) => {
    expect(() => readArcoState(bytes(document))).toThrow(message)
  })

  test('D-48 unknown members are ignored and lost', () => {
    const state = '{"zz":1,"latest_version":3,"revision":9,"last_commit":null,"inflight":null}'
    expect(text(rewrittenByArco(bytes(state)))).toBe('{"latest_version":3,"inflight":null}')
    expect(text(rewrittenByArco(bytes('{"latest_version":3}')))).toBe('{"latest_version":3,"inflight":null}')
  })
})

test('CO-23 a marker with members of a later version is read, and they are not touched', () => {
  const later = GOLDEN.marker.text.replace(/\}$/, ',"x_later":{"deep":[9007199254740993]}}')
  const marker: Marker = parseMarker('marker', KEY, bytes(later))
  expect(marker.version).toBe(0)
  expect(text(encodeMarker(marker))).toBe(later)
})
