import { describe, expect, test } from 'vitest'
import {
  badRequestBench,
  commitBody,
  recoverOf,
  refusesEach,
  ROUTES,
  STAGED,
  stageOf,
  type BadRequest,
} from '../support/bad-requests.ts'
import { freshPayload } from '../support/service.ts'

/** S14: refused before anything recursive sees them, and quickly. */
const BOMBS: readonly BadRequest[] = [
  {
    name: '200 000 arrays',
    ...stageOf(`${'['.repeat(200_000)}${']'.repeat(200_000)}`),
    answer: '400 bad_request',
    detail: /64 containers/,
  },
  {
    name: '200 000 objects',
    ...stageOf('{"a":'.repeat(200_000)),
    answer: '400 bad_request',
    detail: /64 containers/,
  },
  {
    name: '200 000 arrays that never close',
    ...stageOf('['.repeat(200_000)),
    answer: '400 bad_request',
    detail: /64 containers/,
  },
  {
    name: '10 001 keys',
    ...stageOf(`{${Array.from({ length: 10_001 }, (_, at) => `"k${at}":0`).join(',')}}`),
    answer: '400 bad_request',
    detail: /at most 10000 members/,
  },
  {
    name: '10 001 keys one level down',
    ...stageOf(`{"payload":{${Array.from({ length: 10_001 }, (_, at) => `"k${at}":0`).join(',')}}}`),
    answer: '400 bad_request',
    detail: /at most 10000 members/,
  },
  {
    name: '500 000 keys',
    ...stageOf(`{${Array.from({ length: 500_000 }, (_, at) => `"${at.toString(36)}":0`).join(',')}}`),
    answer: '400 bad_request',
    detail: /at most 10000 members/,
  },
  {
    name: 'a number of 5 million digits',
    ...stageOf(`{"payload":${'9'.repeat(5_000_000)}}`),
    answer: '400 bad_request',
    detail: /at most 1000 characters/,
  },
  {
    name: 'a member name of 5 million characters',
    ...stageOf(`{"${'n'.repeat(5_000_000)}":0}`),
    answer: '400 bad_request',
    detail: /at most 4096 characters/,
  },
  {
    name: 'a fraction of 5 million digits',
    ...stageOf(`{"payload":0.${'0'.repeat(5_000_000)}}`),
    answer: '400 bad_request',
    detail: /at most 1000 characters/,
  },
]
describe('bombs, S14', () => {
  refusesEach(BOMBS)

  test('each is refused in a fraction of a second', async () => {
    const bench = await badRequestBench()
    const slow: string[] = []
    for (const bomb of BOMBS) {
      const started_ms = performance.now()
      await bench.send(bomb)
      // 100 ms are asked for; the rest is for a machine that runs other tests at the same time.
      if (performance.now() - started_ms > 1_500) slow.push(bomb.name)
    }
    expect(slow).toEqual([])
  })
})

/** A body of exactly this many bytes: white space around an object changes nothing. */
const padded = (object: string, size: number): string => `${object}${' '.repeat(size - object.length)}`

const LIMITS = { stage: 5 * 1024 * 1024, commit: 64 * 1024, recover: 1024 } as const

describe('sizes, S13 and http-api.md 1', () => {
  refusesEach([
    {
      name: 'stage: 5 MiB and a byte',
      ...stageOf(padded('{"payload":"x"}', LIMITS.stage + 1)),
      answer: '413 payload_too_large',
      detail: /5242880 bytes/,
    },
    {
      name: 'stage: a payload that takes the body over the limit',
      ...stageOf(JSON.stringify({ payload: 'x'.repeat(LIMITS.stage) })),
      answer: '413 payload_too_large',
    },
    {
      name: 'commit: 64 KiB and a byte',
      body: padded(commitBody({}), LIMITS.commit + 1),
      answer: '413 payload_too_large',
      detail: /65536 bytes/,
    },
    {
      name: 'commit: a stage body',
      body: padded(commitBody({}), LIMITS.stage),
      answer: '413 payload_too_large',
    },
    {
      name: 'recover: 1 KiB and a byte',
      ...recoverOf(padded('{}', LIMITS.recover + 1)),
      answer: '413 payload_too_large',
      detail: /1024 bytes/,
    },
    {
      name: 'a Content-Length over the limit, whatever follows',
      headers: [
        ['content-type', 'application/json'],
        ['content-length', '65537'],
      ],
      body: '{}',
      answer: '413 payload_too_large',
    },
    {
      name: 'a Content-Length under the limit, and a body over it',
      headers: [
        ['content-type', 'application/json'],
        ['content-length', '2'],
      ],
      body: padded(commitBody({}), LIMITS.commit + 1),
      answer: '413 payload_too_large',
    },
  ])
})

describe('sizes, http-api.md 1', () => {
  test.each([
    ['stage', JSON.stringify({ payload: freshPayload() }), 200],
    ['commit', commitBody({ staged_path: STAGED, read_version: -1 }), 404],
    ['recover', '{}', 200],
  ] as const)('%s: a body of exactly the limit is read', async (route, object, status) => {
    const bench = await badRequestBench()
    const response = await bench.send({
      name: '',
      path: ROUTES[route],
      body: padded(object, LIMITS[route]),
      answer: '',
    })
    expect(response.status).toBe(status)
  })
})
