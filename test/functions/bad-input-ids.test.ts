import { describe, expect, test } from 'vitest'
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

const NOT_A_UUID: Readonly<Record<string, string>> = {
  'a word': 'orders',
  'one digit short': TABLE.slice(0, -1),
  'one digit long': `${TABLE}0`,
  'a digit that is not hex': `${TABLE.slice(0, -1)}g`,
  'hyphens moved': '0194f5a01-c00-7c3d-9b1e-2f6a4d8e0c11',
  'underscores for hyphens': TABLE.replaceAll('-', '_'),
  '33 digits': `${TABLE.replaceAll('-', '')}0`,
  'only an opening brace': `%7B${TABLE}`,
  'only a closing brace': `${TABLE}%7D`,
  parentheses: `(${TABLE})`,
  'an upper-case URN': `URN:UUID:${TABLE}`,
  'a space before it': `%20${TABLE}`,
  'a line feed after it': `${TABLE}%0A`,
  'a NUL after it': `${TABLE}%00`,
  'a full-width digit': `%EF%BC%90${TABLE.slice(1)}`,
  'an encoded parent segment': `%2e%2e%2f${TABLE}`,
  'an encoded slash and another tenant': `tenant=rival%2Fworkspace=analytics%2F${TABLE}`,
  'the name of the state object': `${TABLE}.json`,
  'a double encoding': `%2530194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11`,
  'overlong UTF-8': `%C0%AE%C0%AE`,
  'invalid UTF-8': `%FF${TABLE}`,
  'a broken escape': `%zz${TABLE}`,
  'a star': '*',
}

describe('table_id, coordinator.md 6.1', () => {
  refusesEach([
    ...Object.entries(NOT_A_UUID).map(([name, id]): BadRequest => ({
      name: `commit: ${name}`,
      path: ROUTES.commit.replace(TABLE, id),
      answer: '400 bad_request',
      detail: 'table_id must be a UUID',
    })),
    ...(['stage', 'recover'] as const).map((route): BadRequest => ({
      name: `${route}: a word`,
      path: ROUTES[route].replace(TABLE, 'orders'),
      body: route === 'stage' ? '{"payload":"{\\"commitInfo\\":{}}"}' : '{}',
      answer: '400 bad_request',
      detail: 'table_id must be a UUID',
    })),
    {
      name: 'inspect: a word',
      method: 'GET',
      path: ROUTES.inspect.replace(TABLE, 'orders'),
      answer: '400 bad_request',
      detail: 'table_id must be a UUID',
    },
    { name: 'no id at all', path: ROUTES.commit.replace(TABLE, ''), answer: '404 route_not_found' },
  ])
})

const header = (value: string): HeaderList => [
  ['content-type', 'application/json'],
  ['idempotency-key', value],
]

const REQUIRED = 'Idempotency-Key is required'
const NOT_UUID = 'Idempotency-Key must be a valid UUID'
const NOT_V7 = 'Idempotency-Key must be UUIDv7 (RFC 9562)'
const NOT_CANONICAL = 'Idempotency-Key must be a canonical lowercase UUID string'
const DIFFER = 'Idempotency-Key header and idempotency_key body field differ'

/** Keys that are refused alike in the header and in the body. */
const BAD_KEYS: readonly (readonly [name: string, key: string, detail: string])[] = [
  ['a word', 'retry-1', NOT_UUID],
  ['one digit short', KEY.slice(0, -1), NOT_UUID],
  ['one digit long', `${KEY}0`, NOT_UUID],
  ['a digit that is not hex', `${KEY.slice(0, -1)}g`, NOT_UUID],
  ['only an opening brace', `{${KEY}`, NOT_UUID],
  ['two keys with a bar', `${KEY}|${KEY}`, NOT_UUID],
  ['a path', `../${KEY}`, NOT_UUID],
  ['version 4', '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d', NOT_V7],
  ['version 1', '2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d', NOT_V7],
  ['version 6', '1ef21d2f-1207-6660-8c4f-419efbd44d48', NOT_V7],
  ['version 8', '320c3d4d-cc00-875b-8ec9-32d5f69181c0', NOT_V7],
  ['version 0, the nil UUID', '00000000-0000-0000-0000-000000000000', NOT_V7],
  ['version 15, the max UUID', 'ffffffff-ffff-ffff-ffff-ffffffffffff', NOT_V7],
  ['variant bits 00', '0194f5a0-2000-7abc-0def-0123456789ab', NOT_V7],
  ['variant bits 01', '0194f5a0-2000-7abc-7def-0123456789ab', NOT_V7],
  ['variant bits 110', '0194f5a0-2000-7abc-cdef-0123456789ab', NOT_V7],
  ['variant bits 111', '0194f5a0-2000-7abc-fdef-0123456789ab', NOT_V7],
  ['version 4 in upper case: the version is checked first', '9B1DEB4D-3B7D-4BAD-9BDD-2B0D7B3DCB6D', NOT_V7],
  ['upper case', KEY.toUpperCase(), NOT_CANONICAL],
  ['one upper-case digit', KEY.replace('7abc', '7Abc'), NOT_CANONICAL],
  ['braces', `{${KEY}}`, NOT_CANONICAL],
  ['a URN', `urn:uuid:${KEY}`, NOT_CANONICAL],
  ['32 digits without hyphens', KEY.replaceAll('-', ''), NOT_CANONICAL],
]

describe('idempotency key in the body, coordinator.md 6.1', () => {
  refusesEach(
    [
      { name: 'absent', body: commitBody({ idempotency_key: undefined }), detail: REQUIRED },
      { name: 'null is absent', body: commitBody({ idempotency_key: null }), detail: REQUIRED },
      { name: 'empty', body: commitBody({ idempotency_key: '' }), detail: REQUIRED },
      { name: 'a space before it', body: commitBody({ idempotency_key: ` ${KEY}` }), detail: NOT_UUID },
      { name: 'a line feed after it', body: commitBody({ idempotency_key: `${KEY}\n` }), detail: NOT_UUID },
      { name: 'a lone surrogate', body: commitBody({ idempotency_key: `${KEY}\ud800` }), detail: NOT_UUID },
      { name: 'a NUL', body: commitBody({ idempotency_key: `${KEY}\0` }), detail: NOT_UUID },
      {
        name: 'as long as the body may be',
        body: commitBody({ idempotency_key: 'a'.repeat(60_000) }),
        detail: NOT_UUID,
      },
      ...BAD_KEYS.map(([name, key, detail]) => ({
        name,
        body: commitBody({ idempotency_key: key }),
        detail,
      })),
    ].map((row): BadRequest => ({ ...row, answer: '400 bad_request' })),
  )
})

describe('Idempotency-Key header, http-api.md 4.2', () => {
  refusesEach([
    ...BAD_KEYS.map(([name, key, detail]): BadRequest => ({
      name,
      headers: header(key),
      body: commitBody({ idempotency_key: undefined }),
      answer: '400 bad_request',
      detail,
    })),
    {
      name: 'present but empty, no body member',
      headers: header(''),
      body: commitBody({ idempotency_key: undefined }),
      answer: '400 bad_request',
      detail: 'Idempotency-Key header must not be empty',
    },
    {
      name: 'present but empty beside a good body member',
      headers: header(''),
      answer: '400 bad_request',
      detail: 'Idempotency-Key header must not be empty',
    },
    {
      name: 'spaces only are empty',
      headers: header('  '),
      answer: '400 bad_request',
      detail: 'Idempotency-Key header must not be empty',
    },
    {
      name: 'another key than the body',
      headers: header('0194f5a0-2000-7abc-8def-0123456789ac'),
      answer: '400 key_mismatch',
      detail: DIFFER,
    },
    {
      name: 'the key of the body in upper case: byte-equal is meant',
      headers: header(KEY.toUpperCase()),
      answer: '400 key_mismatch',
      detail: DIFFER,
    },
    {
      name: 'a good key beside an empty body member',
      headers: header(KEY),
      body: commitBody({ idempotency_key: '' }),
      answer: '400 key_mismatch',
      detail: DIFFER,
    },
    {
      name: 'equal to the body and bad',
      headers: header(KEY.toUpperCase()),
      body: commitBody({ idempotency_key: KEY.toUpperCase() }),
      answer: '400 bad_request',
      detail: NOT_CANONICAL,
    },
  ])
})

describe('evaluation order, http-api.md 4.2', () => {
  const everything_wrong = { idempotency_key: 'x', staged_path: 'x', read_version: -2, staged_version: '' }
  const steps: readonly BadRequest[] = [
    { name: 'route', path: '/api/v1/nowhere', headers: [], body: '{', answer: '404 route_not_found' },
    { name: 'content type', headers: [], body: '{', answer: '415 unsupported_media_type' },
    { name: 'size', body: `{${' '.repeat(70_000)}`, answer: '413 payload_too_large' },
    {
      name: 'JSON',
      path: ROUTES.commit.replace(TABLE, 'x'),
      body: '{',
      answer: '400 bad_request',
      detail: /JSON/,
    },
    {
      name: 'table_id',
      path: ROUTES.commit.replace(TABLE, 'x'),
      headers: header('y'),
      body: commitBody(everything_wrong),
      answer: '400 bad_request',
      detail: 'table_id must be a UUID',
    },
    {
      name: 'key resolution',
      headers: header('y'),
      body: commitBody(everything_wrong),
      answer: '400 key_mismatch',
    },
    {
      name: 'key',
      body: commitBody(everything_wrong),
      answer: '400 bad_request',
      detail: NOT_UUID,
    },
    {
      name: 'staged_path',
      body: commitBody({ ...everything_wrong, idempotency_key: KEY }),
      answer: '400 bad_request',
      detail: `staged_path must start with delta/staging/${TABLE}/`,
    },
    {
      name: 'read_version',
      body: commitBody({ read_version: -2, staged_version: '' }),
      answer: '400 bad_request',
      detail: 'read_version must be >= -1',
    },
    {
      name: 'staged_version',
      body: commitBody({ staged_version: '' }),
      answer: '400 bad_request',
      detail: 'staged_version must have 1 to 1024 characters',
    },
  ]
  describe('each row is right up to its own step', () => {
    refusesEach(steps)
  })
})

describe('spellings of table_id, coordinator.md 6.1', () => {
  test.each([
    ['canonical', TABLE],
    ['upper case', TABLE.toUpperCase()],
    ['braces', `%7B${TABLE}%7D`],
    ['URN', `urn:uuid:${TABLE}`],
    ['32 digits', TABLE.replaceAll('-', '')],
  ])('%s names the same table', async (_name, id) => {
    const { service } = await badRequestBench()
    const answer = await service.request('GET', ROUTES.inspect.replace(TABLE, id))
    expect(answer.status).toBe(200)
    expect(answer.body.latest_version).toBe(0)
  })
})
