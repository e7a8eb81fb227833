import { describe, expect, test } from 'vitest'
import {
  badRequestBench,
  commitAt,
  commitBody,
  KEY,
  recoverOf,
  refusesEach,
  stageOf,
} from '../support/bad-requests.ts'

const NOT_AN_INTEGER = /^read_version must be an integer, got /
const UNSAFE = 'read_version must be a safe integer'

/** JSON literals of `read_version`: numbers that are no integers here (S17, 422). */
const OTHER_NUMBERS = [
  '1.0',
  '0.0',
  '-1.0',
  '0.5',
  '1e3',
  '1E3',
  '1e0',
  '1e-0',
  '1e+0',
  '-1e0',
  '10e-1',
  '-0',
  '-0.0',
  '-0e1',
  '1e400',
  '9007199254740993.0',
  '0e9007199254740993',
]

/** Integers that no double holds, or that no version can be (J-4, 400). */
const UNSAFE_INTEGERS = [
  '9007199254740992',
  '9007199254740993',
  '9223372036854775807',
  '18446744073709551616',
  '-9007199254740992',
  '-9007199254740993',
  '9'.repeat(400),
]

/** Not JSON at all (400). */
const NOT_NUMBERS = [
  'NaN',
  'Infinity',
  '-Infinity',
  'undefined',
  '+1',
  '01',
  '-01',
  '00',
  '0x10',
  '0b1',
  '1_000',
  '.5',
  '5.',
  '1e',
  '1e+',
  '--1',
  '1n',
  '-',
  '\u0661',
  "'1'",
]

/** Well-formed values of another type (422). */
const OTHER_TYPES = ['"1"', '"-1"', '"NaN"', '""', 'true', 'false', 'null', '[]', '[1]', '{}']

describe('read_version, S17 and http-api.md 4.2', () => {
  refusesEach([
    ...OTHER_NUMBERS.map((literal) => ({
      name: literal,
      body: commitAt(literal),
      answer: '422 unprocessable',
      detail: NOT_AN_INTEGER,
    })),
    ...OTHER_TYPES.map((literal) => ({
      name: literal,
      body: commitAt(literal),
      answer: '422 unprocessable',
      detail: NOT_AN_INTEGER,
    })),
    ...UNSAFE_INTEGERS.map((literal) => ({
      name: literal.slice(0, 24),
      body: commitAt(literal),
      answer: '400 bad_request',
      detail: UNSAFE,
    })),
    ...['-2', '-3', '-2147483648', '-9007199254740991'].map((literal) => ({
      name: literal,
      body: commitAt(literal),
      answer: '400 bad_request',
      detail: 'read_version must be >= -1',
    })),
    ...NOT_NUMBERS.map((literal) => ({
      name: `${literal}, which JSON does not have`,
      body: commitAt(literal),
      answer: '400 bad_request',
      detail: /^the body is not acceptable JSON: /,
    })),
    {
      name: 'a number of 1001 characters',
      body: commitAt('9'.repeat(1001)),
      answer: '400 bad_request',
      detail: /at most 1000 characters/,
    },
    {
      name: 'absent',
      body: commitBody({ read_version: undefined }),
      answer: '422 unprocessable',
      detail: 'read_version must be an integer, got nothing',
    },
  ])
})

describe('read_version at its bounds', () => {
  test('9007199254740991 is an integer like any other: the table has not got there', async () => {
    const bench = await badRequestBench()
    const response = await bench.send({ name: '2^53-1', body: commitAt('9007199254740991'), answer: '' })
    // The staged payload does not exist either; both answers come from the algorithm and neither from the parser.
    expect(await response.json()).toMatchObject({ status: 404, reason: 'staged_not_found' })
  })
})

describe('members, S35 and http-api.md 4', () => {
  refusesEach([
    {
      name: 'commit: one that Tidemark keeps itself',
      body: commitBody({ inflight: null }),
      answer: '400 bad_request',
      detail:
        'unknown member "inflight"; expected read_version, staged_path, staged_version, idempotency_key',
    },
    ...[
      'latest_version',
      'role',
      'version',
      'tenant',
      'payload_sha256',
      'Read_version',
      'readVersion',
      '',
      ' read_version',
    ].map((name) => ({
      name: `commit: ${JSON.stringify(name)}`,
      body: commitBody({ [name]: 1 }),
      answer: '400 bad_request',
      detail: /^unknown member /,
    })),
    {
      name: 'commit: a long name is cut in the answer',
      body: commitBody({ ['n'.repeat(4000)]: 1 }),
      answer: '400 bad_request',
      detail: `unknown member "${'n'.repeat(64)}…"; expected read_version, staged_path, staged_version, idempotency_key`,
    },
    {
      name: 'commit: an unknown member is found before a wrong type',
      body: commitBody({ read_version: 'x', extra: 1 }),
      answer: '400 bad_request',
      detail: /^unknown member "extra"/,
    },
    {
      name: 'stage: an unknown member',
      ...stageOf('{"payload":"{}","version":1}'),
      answer: '400 bad_request',
      detail: 'unknown member "version"; expected payload',
    },
    {
      name: 'recover: any member',
      ...recoverOf('{"force":true}'),
      answer: '400 bad_request',
      detail: 'unknown member "force"; expected no members',
    },
    {
      name: 'commit: no members',
      body: '{}',
      answer: '422 unprocessable',
      detail: 'read_version must be an integer, got nothing',
    },
    ...['staged_path', 'staged_version'].flatMap((member) => [
      {
        name: `${member} absent`,
        body: commitBody({ [member]: undefined }),
        answer: '422 unprocessable',
        detail: `${member} must be a string, got nothing`,
      },
      {
        name: `${member} null`,
        body: commitBody({ [member]: null }),
        answer: '422 unprocessable',
        detail: `${member} must be a string, got null`,
      },
      {
        name: `${member} a number`,
        body: commitBody({ [member]: 1 }),
        answer: '422 unprocessable',
        detail: `${member} must be a string, got a number`,
      },
      {
        name: `${member} a boolean`,
        body: commitBody({ [member]: true }),
        answer: '422 unprocessable',
        detail: `${member} must be a string, got a boolean`,
      },
      {
        name: `${member} an array`,
        body: commitBody({ [member]: ['1'] }),
        answer: '422 unprocessable',
        detail: `${member} must be a string, got an array`,
      },
      {
        name: `${member} an object`,
        body: commitBody({ [member]: {} }),
        answer: '422 unprocessable',
        detail: `${member} must be a string, got an object`,
      },
    ]),
    ...[7, true, [], {}, [KEY]].map((value) => ({
      name: `idempotency_key ${JSON.stringify(value)}`,
      body: commitBody({ idempotency_key: value }),
      answer: '422 unprocessable',
      detail: /^idempotency_key must be a string, got /,
    })),
    {
      name: 'staged_version empty',
      body: commitBody({ staged_version: '' }),
      answer: '400 bad_request',
      detail: /^staged_version /,
    },
    {
      name: 'staged_version of 1025 characters',
      body: commitBody({ staged_version: '1'.repeat(1025) }),
      answer: '400 bad_request',
      detail: /^staged_version /,
    },
    {
      name: 'staged_version with a lone surrogate',
      body: commitBody({ staged_version: '\udfff' }),
      answer: '400 bad_request',
      detail: 'staged_version must be well-formed Unicode',
    },
    {
      name: 'stage: payload absent',
      ...stageOf('{}'),
      answer: '422 unprocessable',
      detail: 'payload must be a string, got nothing',
    },
    {
      name: 'stage: payload null',
      ...stageOf('{"payload":null}'),
      answer: '422 unprocessable',
      detail: 'payload must be a string, got null',
    },
    {
      name: 'stage: the actions as JSON',
      ...stageOf('{"payload":{"commitInfo":{}}}'),
      answer: '422 unprocessable',
      detail: 'payload must be a string, got an object',
    },
    { name: 'stage: payload empty', ...stageOf('{"payload":""}'), answer: '400 payload_invalid' },
    {
      name: 'stage: a lone surrogate, SG-4',
      ...stageOf('{"payload":"{\\"commitInfo\\":{\\"a\\":\\"\\ud800\\"}}"}'),
      answer: '400 payload_invalid',
    },
    {
      name: 'stage: lines that are no actions',
      ...stageOf('{"payload":"hello\\n"}'),
      answer: '400 payload_invalid',
    },
  ])
})
