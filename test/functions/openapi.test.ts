import { describe, expect, test } from 'vitest'
import { createApp, routesOf } from '../../functions/app.ts'
import { openApiDocument, type ApiOperation } from '../../functions/openapi.ts'
import { OPERATIONS } from '../../functions/operations.ts'
import { PROBLEMS, type Reason } from '../../functions/problem.ts'
import { parseCommitInput, parseShape } from '../../lib/protocol/delta/commit-input.ts'
import { StageBody } from '../../functions/stage.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { findings } from '../support/json-schema.ts'
import { freshId, testDeps, testService } from '../support/service.ts'

const document = openApiDocument()
const { schemas, parameters, headers } = document.components

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]): [string, string, ApiOperation] => [
    method,
    path,
    operation,
  ]),
)
const refusals = operations.flatMap(([, path, operation]) =>
  Object.entries(operation.responses)
    .filter(([status]) => status !== '200')
    .map(([status, response]) => ({ name: `${operation.operationId} ${status}`, path, status, response })),
)

describe('the OpenAPI document, http-api.md 1', () => {
  test('is what GET /openapi.json answers', async () => {
    const answer = await testService(memoryStore()).request('GET', '/openapi.json')
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual(document)
  })

  test('is OpenAPI 3.1 with the members that it must have', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/)
    expect(document.info).toMatchObject({ title: 'Tidemark', version: expect.stringMatching(/\d/) })
    const tags = document.tags.map(({ name }) => name)
    for (const [method, path, operation] of operations) {
      expect(path).toMatch(/^\//)
      expect(['get', 'post']).toContain(method)
      expect(tags).toEqual(expect.arrayContaining([...operation.tags]))
      for (const text of [operation.summary, operation.description]) expect(text).toMatch(/\S/)
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(status).toMatch(/^[2-5]\d\d$/)
        expect(response.description).toMatch(/\S/)
      }
    }
    const ids = operations.map(([, , { operationId }]) => operationId)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('describes every route of the app and no other', () => {
    const routes = routesOf(testDeps(memoryStore())).map(
      ({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`,
    )
    expect(operations.map(([method, path]) => `${method.toUpperCase()} ${path}`).toSorted()).toEqual(
      routes.toSorted(),
    )
  })

  test('declares the parameters of each path, and every reference leads somewhere', () => {
    for (const [, path, operation] of operations) {
      const names = operation.parameters.map((each) => ('$ref' in each ? each.$ref : each.name))
      for (const name of ['table_id', 'rebuild']) {
        expect(names.includes(`#/components/parameters/${name}`)).toBe(path.includes(`{${name}}`))
      }
      expect(names).toContain('#/components/parameters/X-Request-Id')
    }
    const targets = new Set(JSON.stringify(document).match(/"\$ref":"[^"]+"/g))
    for (const target of targets) {
      const [kind = '', name = ''] = target.slice('"$ref":"#/components/'.length, -1).split('/')
      expect({ schemas, parameters, headers }).toHaveProperty([kind, name])
    }
    expect(parameters['table_id']).toMatchObject({ in: 'path', required: true })
  })

  test('has the key as a header of commits and of its own look-up, and only there', () => {
    const with_key = operations.filter(([, , { parameters: list }]) =>
      list.some((each) => '$ref' in each && each.$ref.endsWith('/Idempotency-Key')),
    )
    expect(with_key.map(([, , { operationId }]) => operationId)).toEqual(['commit', 'inspect_key'])
  })

  test('its schemas hold keywords of JSON Schema 2020-12 only', () => {
    // `findings` throws for a keyword that it does not know, in every branch that it enters.
    const probe = { inflight: {}, last_commit: {}, findings: [{}] }
    expect(() => Object.values(schemas).map((schema) => findings(probe, schema, schemas))).not.toThrow()
    expect(JSON.stringify(document)).not.toMatch(/"(nullable|example)":(true|false)|"\$schema"|"\$id"/)
  })
})

describe('examples', () => {
  test.each(operations)(
    '%s %s: of the body and of the answer match their schemas',
    (_method, _path, operation) => {
      const bodies = [
        operation.requestBody?.content['application/json'],
        ...Object.values(operation.responses['200']?.content ?? {}),
      ]
      const found = bodies.flatMap((media) =>
        media?.example === undefined ? [] : findings(media.example, media.schema, schemas),
      )
      expect(found).toEqual([])
    },
  )

  test.each(refusals)('$name: one for each reason, and each matches', ({ status, response }) => {
    const media = response.content['application/problem+json']
    const examples = Object.entries(media?.examples ?? {})
    expect(examples.length).toBeGreaterThan(0)
    for (const [reason, { value }] of examples) {
      expect(value).toMatchObject({ reason, status: Number(status) })
      expect(findings(value, media?.schema ?? false, schemas)).toEqual([])
    }
    expect('Retry-After' in response.headers).toBe(
      examples.some(([reason]) => PROBLEMS[reason as Reason].has_retry_after),
    )
  })

  test('of named schemas match them', () => {
    const found = Object.values(schemas).flatMap(({ properties = {} }) =>
      Object.entries(properties).flatMap(([name, property]) =>
        typeof property === 'boolean'
          ? []
          : (property.examples ?? []).flatMap((each) => findings(each, property, schemas, name)),
      ),
    )
    expect(found).toEqual([])
  })

  test('of stage and commit work when they are sent in turn', async () => {
    const service = testService(memoryStore())
    const table_id = freshId()
    const at = (path: string): string => path.replace('{table_id}', table_id)
    const staged = await service.request('POST', at(OPERATIONS.stage.path), OPERATIONS.stage.body.example)
    const committed = await service.request('POST', at(OPERATIONS.commit.path), {
      ...OPERATIONS.commit.body.example,
      ...staged.body,
    })
    expect(committed.body).toMatchObject({ version: 0 })
  })
})

describe('the schemas are those that handlers parse with', () => {
  /** Bodies that the document accepts or refuses; the handler's own schema must agree. */
  const BODIES: readonly (readonly [
    schema: 'StageBody' | 'CommitBody' | 'RecoverBody',
    body: Record<string, unknown>,
  ])[] = [
    ['StageBody', { payload: 'x' }],
    ['StageBody', {}],
    ['StageBody', { payload: 1 }],
    ['StageBody', { payload: 'x', more: 1 }],
    ['CommitBody', OPERATIONS.commit.body.example],
    ['CommitBody', { ...OPERATIONS.commit.body.example, idempotency_key: null }],
    ['CommitBody', { ...OPERATIONS.commit.body.example, read_version: '1' }],
    ['CommitBody', { ...OPERATIONS.commit.body.example, read_version: 1.5 }],
    ['CommitBody', { ...OPERATIONS.commit.body.example, inflight: null }],
    ['CommitBody', { read_version: 0 }],
    ['RecoverBody', {}],
    ['RecoverBody', { force: true }],
  ]
  const zod = {
    StageBody,
    CommitBody: OPERATIONS.commit.body.schema,
    RecoverBody: OPERATIONS.recover.body.schema,
  }

  test.each(BODIES)('%s %j', (name, body) => {
    const accepted = parseShape(zod[name], body as never).ok
    expect(findings(body, { $ref: `#/components/schemas/${name}` }, schemas).length === 0).toBe(accepted)
  })

  test('ranges that a handler checks by itself are in the document, too', () => {
    const { example } = OPERATIONS.commit.body
    for (const members of [
      { read_version: -2 },
      { staged_version: '' },
      { staged_version: '1'.repeat(1025) },
      { idempotency_key: 'x' },
    ]) {
      const body = { ...example, ...members }
      expect(findings(body, { $ref: '#/components/schemas/CommitBody' }, schemas)).not.toEqual([])
      expect(parseCommitInput({ table_id: freshId(), header_key: null, body }).ok).toBe(false)
    }
  })
})

describe('the table of operations', () => {
  test('every refusal that the routes list can be looked up in the table of reasons', () => {
    for (const { status, response } of refusals) {
      for (const reason of Object.keys(response.content['application/problem+json']?.examples ?? {})) {
        expect(PROBLEMS[reason as Reason].status).toBe(Number(status))
      }
    }
  })

  test('an app answers on every path of it', async () => {
    const app = createApp(testDeps(memoryStore()))
    for (const [method, path] of operations) {
      const response = await app.fetch(
        new Request(`http://tidemark.test${path.replace(/\{\w+\}/, freshId())}`, {
          method: method.toUpperCase(),
        }),
      )
      expect([200, 400, 404, 415]).toContain(response.status)
      const refusal: unknown = response.status === 404 ? await response.json() : null
      expect(refusal).not.toMatchObject({ reason: 'route_not_found' })
    }
  })
})
