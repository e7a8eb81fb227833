import { describe, expect, test } from 'vitest'
import { routesOf } from '../../functions/app.ts'
import {
  badRequestBench,
  commitBody,
  KEY,
  refusesEach,
  ROUTES,
  TABLE,
  type BadRequest,
  type HeaderList,
} from '../support/bad-requests.ts'
import { expectProblem } from '../support/problems.ts'
import { testDeps } from '../support/service.ts'
import { memoryStore } from '../../lib/store/memory.ts'

const json = (...more: HeaderList): HeaderList => [['content-type', 'application/json'], ...more]

describe('routes, S28 and http-api.md 1', () => {
  const NOWHERE: readonly (readonly [name: string, path: string])[] = [
    ['a trailing slash', `${ROUTES.commit}/`],
    ['a trailing slash on recover', `${ROUTES.recover}/`],
    ['an upper-case letter', ROUTES.commit.replace('commits', 'Commits')],
    ['an upper-case version', ROUTES.commit.replace('v1', 'V1')],
    ['two slashes', ROUTES.commit.replace('/delta/', '//delta/')],
    ['a slash in front', `/${ROUTES.commit}`],
    ['a semicolon parameter', `${ROUTES.commit};v=1`],
    ['an encoded slash for a slash', ROUTES.commit.replace('/commits', '%2Fcommits')],
    ['a segment more', `${ROUTES.commit}/stage/more`],
    ['a suffix', `${ROUTES.commit}.json`],
    ['another version', ROUTES.commit.replace('v1', 'v2')],
    ['no version', ROUTES.commit.replace('/v1', '')],
    ['the prefix only', '/api/v1/delta/tables'],
    ['/healthz, which does not exist', '/healthz'],
    ['/health with a trailing slash', '/health/'],
    ['/Health', '/Health'],
    ['a PHP page', '/index.php'],
    ['a dot file', '/.env'],
  ]
  refusesEach(NOWHERE.map(([name, path]): BadRequest => ({ name, path, answer: '404 route_not_found' })))
})

describe('methods, http-api.md 1', () => {
  refusesEach(
    [
      {
        name: 'X-HTTP-Method-Override does not make a POST of a GET',
        headers: json(['x-http-method-override', 'POST']),
      },
      { name: 'X-HTTP-Method does not either', headers: json(['x-http-method', 'POST']) },
      { name: 'nor does X-Method-Override', headers: json(['x-method-override', 'POST']) },
      { name: 'nor a _method parameter', path: `${ROUTES.commit}?_method=POST` },
    ].map((row): BadRequest => ({ ...row, method: 'GET', answer: '405 method_not_allowed' })),
  )

  const routes = routesOf(testDeps(memoryStore()))
  const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'PROPFIND', 'post-it']
  const wrong = routes.flatMap(({ path }) => {
    const here = routes.filter((route) => route.path === path).map(({ method }) => method)
    const allow = here.includes('GET') ? [...here, 'HEAD'] : here
    return METHODS.filter((method) => !allow.some((each) => each === method)).map((method) => ({
      method,
      path,
      allow: allow.join(', '),
    }))
  })
  test.each(wrong)('$method $path is 405 and Allow says $allow', async ({ method, path, allow }) => {
    const bench = await badRequestBench()
    bench.reset()
    const response = await bench.send({
      name: '',
      method,
      path: path.replace(':table_id', TABLE),
      answer: '',
    })
    expect(response.headers.get('allow')).toBe(allow)
    expectProblem(
      { status: response.status, headers: response.headers, body: await response.json() },
      { reason: 'method_not_allowed' },
    )
    expect(bench.operations).toEqual([])
  })

  test.each(routes)('HEAD of $method $path answers the headers only', async ({ method, path }) => {
    const { service } = await badRequestBench()
    const answer = await service.request('HEAD', path.replace(':table_id', TABLE))
    // There is no list to rebuild from, and no key to look up.
    const found = path.includes(':rebuild') ? 404 : path.endsWith('/key') ? 400 : 200
    expect(answer.status).toBe(method === 'GET' ? found : 405)
    expect(answer.body).toBeNull()
    expect(answer.headers.get('x-request-id')).not.toBeNull()
  })
})

describe('media types, http-api.md 2', () => {
  const TYPES: readonly (readonly [name: string, type: string])[] = [
    ['text', 'text/plain'],
    ['text that is JSON', 'text/json'],
    ['a form', 'application/x-www-form-urlencoded'],
    ['multipart', 'multipart/form-data; boundary=x'],
    ['bytes', 'application/octet-stream'],
    ['lines of JSON', 'application/x-ndjson'],
    ['a problem', 'application/problem+json'],
    ['a suffix', 'application/json+x'],
    ['a longer word', 'application/jsonp'],
    ['two types', 'application/json, text/plain'],
    ['a parameter only', ';charset=utf-8'],
    ['empty', ''],
    ['a wildcard', '*/*'],
  ]
  const type = /^expected Content-Type: application\/json$/
  refusesEach([
    ...TYPES.map(([name, value]): BadRequest => ({
      name,
      headers: [['content-type', value]],
      answer: '415 unsupported_media_type',
      detail: type,
    })),
    ...(['stage', 'commit', 'recover'] as const).map((route): BadRequest => ({
      name: `${route}: no type at all`,
      path: ROUTES[route],
      headers: [],
      body: new TextEncoder().encode('{}'),
      answer: '415 unsupported_media_type',
      detail: type,
    })),
    ...['gzip', 'deflate', 'br', 'zstd', 'identity', ''].map((encoding): BadRequest => ({
      name: `Content-Encoding: ${encoding || '(empty)'}, S13`,
      headers: json(['content-encoding', encoding]),
      answer: '415 unsupported_media_type',
      detail: /Content-Encoding/,
    })),
  ])

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON',
    ' application/json ;x=y',
  ])('%j is JSON', async (value) => {
    const bench = await badRequestBench()
    const response = await bench.send({
      name: '',
      path: ROUTES.recover,
      body: '{}',
      headers: [['content-type', value]],
      answer: '',
    })
    expect(response.status).toBe(200)
  })
})

describe('headers that are sent twice, S27', () => {
  const twice = (name: string, a: string, b: string): BadRequest => ({
    name: `${name}: ${a} and ${b}`,
    headers: json([name, a], [name, b]),
    answer: '400 bad_request',
    detail: `header ${name} was sent more than once`,
  })
  refusesEach([
    twice('authorization', 'Bearer a', 'Bearer b'),
    twice('authorization', 'Bearer a', 'Bearer a'),
    twice('idempotency-key', KEY, KEY),
    twice('idempotency-key', KEY, '0194f5a0-2000-7abc-8def-0123456789ac'),
    twice('idempotency-key', '', KEY),
    twice('x-tenant-id', 'acme', 'acme'),
    twice('x-tenant-id', 'acme', 'rival'),
    twice('x-workspace-id', 'analytics', 'analytics'),
  ])
})

describe('scope headers, S1', () => {
  const FOREIGN: readonly (readonly [name: string, value: string])[] = [
    ['x-tenant-id', 'rival'],
    ['x-tenant-id', 'ACME'],
    ['x-tenant-id', 'acme/'],
    ['x-tenant-id', ''],
    ['x-tenant-id', '*'],
    ['x-workspace-id', 'finance'],
    ['x-workspace-id', 'Analytics'],
    ['x-workspace-id', '../analytics'],
  ]
  refusesEach([
    ...FOREIGN.map(([name, value]): BadRequest => ({
      name: `${name}: ${value}`,
      headers: json([name, value]),
      answer: '403 forbidden',
    })),
    ...(['stage', 'commit', 'recover', 'inspect'] as const).map((route): BadRequest => ({
      name: `${route} for another tenant, before its body is looked at`,
      method: route === 'inspect' ? 'GET' : 'POST',
      path: ROUTES[route],
      headers: json(['x-tenant-id', 'rival']),
      body: '{',
      answer: '403 forbidden',
    })),
    {
      name: 'an unknown route stays unknown, whoever asks',
      path: '/nowhere',
      headers: json(['x-tenant-id', 'rival']),
      answer: '404 route_not_found',
    },
  ])

  test('headers that name the scope that is served are no obstacle', async () => {
    const { service } = await badRequestBench()
    const answer = await service.request('GET', ROUTES.inspect, undefined, {
      'x-tenant-id': 'acme',
      'x-workspace-id': 'analytics',
    })
    expect(answer.status).toBe(200)
  })
})

describe('the header block, http-api.md 11', () => {
  refusesEach([
    {
      name: 'one header of 16 KiB',
      headers: json(['x-long', 'a'.repeat(16 * 1024)]),
      answer: '400 bad_request',
      detail: 'expected at most 16384 characters of headers',
    },
    {
      name: 'many small headers',
      headers: json(...Array.from({ length: 1500 }, (_, at) => [`x-${at}`, 'abc'] as const)),
      answer: '400 bad_request',
      detail: 'expected at most 16384 characters of headers',
    },
    {
      name: 'a token of 64 KiB',
      headers: json(['authorization', `Bearer ${'a'.repeat(64 * 1024)}`]),
      answer: '400 bad_request',
      detail: 'expected at most 16384 characters of headers',
    },
  ])
})

describe('X-Request-Id, http-api.md 2', () => {
  const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

  test.each([
    'a',
    'req-1',
    '0194f5a0-2000-7abc-8def-0123456789ab',
    '!~',
    '<script>',
    '${jndi:x}',
    'x'.repeat(128),
  ])('a refusal echoes %j in header and body', async (id) => {
    const bench = await badRequestBench()
    const response = await bench.send({
      name: '',
      headers: json(['x-request-id', id]),
      body: commitBody({ read_version: -2 }),
      answer: '',
    })
    expect(response.headers.get('x-request-id')).toBe(id)
    expect(await response.json()).toMatchObject({ request_id: id })
  })

  test.each([
    ['absent', []],
    ['empty', [['x-request-id', '']]],
    ['129 characters', [['x-request-id', 'x'.repeat(129)]]],
    ['a space', [['x-request-id', 'a b']]],
    ['a tab', [['x-request-id', 'a\tb']]],
    ['Latin-1', [['x-request-id', 'caf\u00e9']]],
    ['DEL', [['x-request-id', 'a\u007f']]],
    [
      'sent twice',
      [
        ['x-request-id', 'a'],
        ['x-request-id', 'b'],
      ],
    ],
  ] as readonly (readonly [string, HeaderList])[])(
    'one that is %s is replaced by a ULID',
    async (_name, sent) => {
      const bench = await badRequestBench()
      const response = await bench.send({
        name: '',
        headers: json(...sent),
        body: commitBody({ read_version: -2 }),
        answer: '',
      })
      expect(response.headers.get('x-request-id')).toMatch(ULID)
    },
  )
})
