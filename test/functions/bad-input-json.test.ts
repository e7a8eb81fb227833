import { describe } from 'vitest'
import { COMMIT, commitBody, refusesEach, ROUTES, stageOf, type BadRequest } from '../support/bad-requests.ts'

const NOT_JSON = /^the body is not acceptable JSON: /

/** Texts that are no JSON object; each is sent to all three routes. */
const TEXTS: readonly (readonly [name: string, body: string, answer: string, detail: string | RegExp])[] = [
  ['an empty body', '', '400 bad_request', NOT_JSON],
  ['white space', ' \r\n\t', '400 bad_request', NOT_JSON],
  ['null', 'null', '422 unprocessable', 'expected a JSON object, got null'],
  ['an array', '[]', '422 unprocessable', 'expected a JSON object, got an array'],
  ['an array of an object', '[{}]', '422 unprocessable', 'expected a JSON object, got an array'],
  ['a string', '"{}"', '422 unprocessable', 'expected a JSON object, got a string'],
  ['a number', '1', '422 unprocessable', 'expected a JSON object, got a number'],
  ['a float', '1.5', '422 unprocessable', 'expected a JSON object, got a number'],
  ['true', 'true', '422 unprocessable', 'expected a JSON object, got a boolean'],
  ['a byte order mark', '\ufeff{}', '400 bad_request', /without a byte order mark/],
  ['text after the object', '{}x', '400 bad_request', NOT_JSON],
  ['a second object', '{}{}', '400 bad_request', NOT_JSON],
  ['a NUL after the object', '{}\0', '400 bad_request', NOT_JSON],
  ['an open object', '{', '400 bad_request', NOT_JSON],
  ['a trailing comma', '{"a":1,}', '400 bad_request', NOT_JSON],
  ['a comment', '{/* */}', '400 bad_request', NOT_JSON],
  ['single quotes', "{'a':1}", '400 bad_request', NOT_JSON],
  ['an unquoted member', '{a:1}', '400 bad_request', NOT_JSON],
  ['a line feed in a string', '{"a":"\n"}', '400 bad_request', NOT_JSON],
  ['a bad escape', '{"a":"\\x41"}', '400 bad_request', NOT_JSON],
  ['a cut unicode escape', '{"a":"\\u00"}', '400 bad_request', NOT_JSON],
  ['a no-break space as white space', '\u00a0{}', '400 bad_request', NOT_JSON],
  ['a form', 'payload=x&read_version=1', '400 bad_request', NOT_JSON],
  ['__proto__, S15', '{"__proto__":{"admin":true}}', '400 bad_request', /__proto__/],
  ['__proto__ spelled with escapes', '{"\\u005f_proto__":{}}', '400 bad_request', /__proto__/],
  ['constructor.prototype', '{"constructor":{"prototype":{"admin":true}}}', '400 bad_request', /constructor/],
  ['a nested __proto__', '{"a":[{"b":{"__proto__":{}}}]}', '400 bad_request', /__proto__/],
  ['a member twice, S16', '{"a":1,"a":1}', '400 bad_request', /once/],
  ['a member twice, once spelled with an escape', '{"a":1,"\\u0061":2}', '400 bad_request', /once/],
  ['a nested member twice', '{"a":{"b":1,"b":1}}', '400 bad_request', /once/],
  [
    '65 objects inside one another, S14',
    `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`,
    '400 bad_request',
    /64 containers/,
  ],
  ['65 arrays inside one another', `${'['.repeat(65)}${']'.repeat(65)}`, '400 bad_request', /64 containers/],
]

describe('bodies that are no JSON object', () => {
  refusesEach(
    (['stage', 'commit', 'recover'] as const).flatMap((route) =>
      TEXTS.map(([name, body, answer, detail]): BadRequest => ({
        name: `${route}: ${name}`,
        path: ROUTES[route],
        body,
        answer,
        detail,
      })),
    ),
  )
})

const bytes = (...parts: (string | number[])[]): Uint8Array<ArrayBuffer> =>
  new Uint8Array(
    parts.flatMap((part) => (typeof part === 'string' ? [...new TextEncoder().encode(part)] : part)),
  )

describe('bodies that are not UTF-8', () => {
  refusesEach(
    [
      { name: 'a byte that begins nothing', body: bytes('{"a":"', [0xff], '"}') },
      { name: 'a continuation byte alone', body: bytes('{"a":"', [0x80], '"}') },
      { name: 'a cut sequence at the end', body: bytes('{"a":"', [0xe2, 0x82]) },
      { name: 'an overlong slash', body: bytes('{"a":"', [0xc0, 0xaf], '"}') },
      { name: 'an overlong NUL', body: bytes('{"a":"', [0xc0, 0x80], '"}') },
      { name: 'an encoded surrogate', body: bytes('{"a":"', [0xed, 0xa0, 0x80], '"}') },
      { name: 'above U+10FFFF', body: bytes('{"a":"', [0xf4, 0x90, 0x80, 0x80], '"}') },
      { name: 'Latin-1', body: bytes('{"a":"caf', [0xe9], '"}') },
      { name: 'UTF-16 with a byte order mark', body: bytes([0xff, 0xfe, 0x7b, 0, 0x7d, 0]) },
      { name: 'UTF-16 without one', body: bytes([0x7b, 0, 0x7d, 0]) },
      { name: 'UTF-32', body: bytes([0x7b, 0, 0, 0, 0x7d, 0, 0, 0]) },
    ].map((row): BadRequest => ({ ...row, answer: '400 bad_request', detail: NOT_JSON })),
  )
})

describe('members of a commit that are there twice, S16', () => {
  refusesEach([
    ...Object.entries(COMMIT)
      .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
      .map((member): BadRequest => ({
        name: member.slice(0, 40),
        body: `${commitBody({}).slice(0, -1)},${member}}`,
        answer: '400 bad_request',
        detail: /once/,
      })),
    {
      name: 'payload',
      ...stageOf('{"payload":"a","payload":"b"}'),
      answer: '400 bad_request',
      detail: /once/,
    },
  ])
})
