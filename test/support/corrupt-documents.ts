/** Broken coordinator states and markers as data: what S21 and spec/coordinator.md J-5 want refused. */
import { commitKeys, freshId, START_MS } from './service.ts'

/** Stands where a stored object says something; no answer may repeat it (S21). */
export const CANARY = 'canary-7f3a'

/** The table whose objects these are. */
export const TABLE = freshId()
const OTHER = freshId()
/** The key that has a reservation and a marker. */
export const KEY = freshId()
/** The staged payload that the reservation names. */
export const STAGED = `delta/staging/${TABLE}/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json`
const LOG = `tables/${TABLE}/_delta_log/00000000000000000001.json`
/** Where the state and the marker are. */
export const KEYS = commitKeys(TABLE, KEY, 1)

/** A reservation with every member. */
export const INFLIGHT: Readonly<Record<string, unknown>> = {
  commit_id: KEY,
  read_version: 0,
  version: 1,
  staged_path: STAGED,
  staged_version: '1',
  started_at_ms: START_MS,
  expires_at_ms: START_MS + 300_000,
  payload_sha256: 'a'.repeat(64),
  delta_log_path: LOG,
  nonce: '01JKTT0G00Z4N2V8R6W1X3Y5ZC',
}
const LAST_COMMIT: Readonly<Record<string, unknown>> = {
  commit_id: freshId(),
  read_version: -1,
  staged_path: STAGED,
  payload_sha256: 'a'.repeat(64),
  version: 0,
  delta_log_path: `tables/${TABLE}/_delta_log/00000000000000000000.json`,
}
/** A state with every member, and one that Tidemark does not know. */
export const STATE: Readonly<Record<string, unknown>> = {
  latest_version: 0,
  inflight: INFLIGHT,
  last_commit: LAST_COMMIT,
  revision: 3,
  note: CANARY,
}
/** A marker, with a member that Tidemark does not know. */
export const MARKER: Readonly<Record<string, unknown>> = {
  idempotency_key: KEY,
  idempotency_key_hash: KEYS.marker.slice(-69, -5),
  request_hash: 'b'.repeat(64),
  version: 1,
  delta_log_path: LOG,
  committed_at_ms: START_MS,
  note: CANARY,
}

/** A stored object, as text or as bytes. */
export type Bytes = string | Uint8Array
/** One broken object. */
export type Case = readonly [name: string, bytes: Bytes]

/** A document with members replaced; undefined takes one out. */
const spoil = (
  document: Readonly<Record<string, unknown>>,
  members: Readonly<Record<string, unknown>>,
): string => JSON.stringify({ ...document, ...members })
/** A document in which a number is this literal. */
const literal = (document: Readonly<Record<string, unknown>>, name: string, text: string): string =>
  JSON.stringify({ ...document, [name]: '@' }).replace('"@"', text)
/** Integers that no stored integer may be (J-4); `1.0` and `1e0` are floats to a strict reader. */
const BAD_INTEGERS = [
  '1.0',
  '1e0',
  '-0',
  '0.5',
  '"1"',
  'null',
  'true',
  '[]',
  '{}',
  '9007199254740992',
  '9007199254740993',
  '9223372036854775808',
  '-9007199254740993',
]
const badIntegers = (
  name: string,
  document: Readonly<Record<string, unknown>>,
  wrap = (text: string): string => text,
  except: readonly string[] = [],
): Case[] =>
  BAD_INTEGERS.filter((text) => !except.includes(text)).map((text): Case => [
    `${name}: ${text}`,
    wrap(literal(document, name, text)),
  ])

/** What breaks any document, whatever its members. */
function anyDocument(document: Readonly<Record<string, unknown>>, bytes_max: number): readonly Case[] {
  const text = JSON.stringify(document)
  return [
    ['empty', ''],
    ['white space', ' \n'],
    ['cut in the middle', text.slice(0, text.length / 2)],
    ['cut before its last brace', text.slice(0, -1)],
    ['followed by another document', text + text],
    ['followed by NULs, as after a crashed file system', `${text}\0\0\0\0`],
    ['zeros of the right length', '\0'.repeat(text.length)],
    ['larger than its class allows', text + ' '.repeat(bytes_max + 1 - text.length)],
    ['a byte order mark before it', `\ufeff${text}`],
    ['not UTF-8', new Uint8Array([...new TextEncoder().encode(text.slice(0, -2)), 0xff, 0x22, 0x7d])],
    ['an HTML page', `<html>${CANARY}</html>`],
    ['null', 'null'],
    ['an array', `[${text}]`],
    ['a string', JSON.stringify(text)],
    ['a number', '0'],
    ['a document without members', '{}'],
    ['a member twice', `${text.slice(0, -1)},"note":"${CANARY}"}`],
    ['__proto__', `${text.slice(0, -1)},"__proto__":{"admin":"${CANARY}"}}`],
    ['constructor', `${text.slice(0, -1)},"constructor":{"prototype":{}}}`],
    ['70 objects inside one another', `${text.slice(0, -1)},"deep":${'{"a":'.repeat(70)}1${'}'.repeat(70)}}`],
  ]
}

const inState = (inflight: string): string =>
  JSON.stringify({ ...STATE, inflight: '@' }).replace('"@"', inflight)
const inflight = (members: Readonly<Record<string, unknown>>): string =>
  spoil(STATE, { inflight: { ...INFLIGHT, ...members } })
const last = (members: Readonly<Record<string, unknown>>): string =>
  spoil(STATE, { last_commit: { ...LAST_COMMIT, ...members } })

const BAD_LOG_PATHS: Readonly<Record<string, unknown>> = {
  'of another version': LOG.replace('01.json', '02.json'),
  'without padding': `tables/${TABLE}/_delta_log/1.json`,
  'not a log entry': STAGED,
  'with a parent segment': LOG.replace('tables', 'tables/../tables'),
  'with an encoded parent segment': LOG.replace('tables', 'tables/%2e%2e'),
  'of another tenant': `tenant=rival/workspace=analytics/${LOG}`,
  absolute: `/${LOG}`,
  'a URL': `s3://lake/${LOG}`,
  'in a control prefix': `delta/coordinator/_delta_log/00000000000000000001.json`,
  'with a line feed': `${LOG}\n`,
  'a number': 1,
}

/** Everything that makes a state corrupt (spec/coordinator.md 3.1, J-4, J-5). */
export const STATE_CASES: readonly Case[] = [
  ...anyDocument(STATE, 64 * 1024),
  ['latest_version missing', spoil(STATE, { latest_version: undefined })],
  ['latest_version below -1', spoil(STATE, { latest_version: -2, inflight: null })],
  ...badIntegers('latest_version', STATE),
  ...[1, 'x', true, [], {}, [INFLIGHT]].map((value): Case => [
    `inflight ${JSON.stringify(value).slice(0, 20)}`,
    spoil(STATE, { inflight: value }),
  ]),
  ...['commit_id', 'version', 'staged_path', 'staged_version', 'started_at_ms', 'expires_at_ms'].flatMap(
    (name): Case[] => [
      [`inflight.${name} missing`, inflight({ [name]: undefined })],
      [`inflight.${name} null`, inflight({ [name]: null })],
      [`inflight.${name} an object`, inflight({ [name]: { note: CANARY } })],
    ],
  ),
  ...['commit_id', 'staged_version', 'nonce'].flatMap((name): Case[] => [
    [`inflight.${name} empty`, inflight({ [name]: '' })],
    [`inflight.${name} a number`, inflight({ [name]: 1 })],
  ]),
  ['inflight.version -1', inflight({ version: -1 })],
  ...badIntegers('version', INFLIGHT, inState),
  ...badIntegers('read_version', INFLIGHT, inState),
  ['inflight.read_version -2', inflight({ read_version: -2 })],
  ...badIntegers('started_at_ms', INFLIGHT, inState),
  ...badIntegers('expires_at_ms', INFLIGHT, inState),
  ...['', 'a'.repeat(63), 'a'.repeat(65), 'A'.repeat(64), 'g'.repeat(64), CANARY].map((value): Case => [
    `inflight.payload_sha256 ${JSON.stringify(value)}`,
    inflight({ payload_sha256: value }),
  ]),
  ['inflight.payload_sha256 null', inflight({ payload_sha256: null })],
  ...Object.entries(BAD_LOG_PATHS).map(([name, path]): Case => [
    `inflight.delta_log_path ${name}`,
    inflight({ delta_log_path: path }),
  ]),
  [
    'inflight.version twice',
    inState(JSON.stringify(INFLIGHT).replace('"version":1', '"version":1,"version":1')),
  ],
  ['inflight with __proto__', inState(JSON.stringify(INFLIGHT).replace('{', '{"__proto__":{},'))],
  ...[1, 'x', [], {}].map((value): Case => [
    `last_commit ${JSON.stringify(value)}`,
    spoil(STATE, { last_commit: value }),
  ]),
  ...Object.keys(LAST_COMMIT).map((name): Case => [
    `last_commit.${name} missing`,
    last({ [name]: undefined }),
  ]),
  ['last_commit.version -1', last({ version: -1 })],
  ['last_commit.delta_log_path of another version', last({ delta_log_path: LOG })],
  ['last_commit.payload_sha256 in upper case', last({ payload_sha256: 'A'.repeat(64) })],
  ...badIntegers('revision', STATE),
  ['revision 0', spoil(STATE, { revision: 0 })],
]

/** S25: paths that a reservation may not name, because somebody would read them. */
export const FOREIGN_PATHS: Readonly<Record<string, string>> = {
  'another table': STAGED.replace(TABLE, OTHER),
  'another table by a parent segment': STAGED.replace(`${TABLE}/`, `${TABLE}/../${OTHER}/`),
  'another tenant': `tenant=rival/workspace=analytics/${STAGED}`,
  "another table's state": `delta/coordinator/${OTHER}.json`,
  'a nested path': STAGED.replace('.json', '/nested.json'),
  'no suffix': STAGED.replace('.json', ''),
  'only the suffix': `delta/staging/${TABLE}/.json`,
  'an encoded slash': STAGED.replace('.json', '%2f.json'),
  'a backslash': STAGED.replace('.json', '\\.json'),
  'a NUL': STAGED.replace('.json', '\0.json'),
  'full-width dots': STAGED.replace(TABLE, `${TABLE}/\uff0e\uff0e`),
  'too long': STAGED.replace('.json', `${'a'.repeat(1100)}.json`),
  empty: '',
}

/** States whose reservation skips a version. */
export const INVARIANT_CASES: readonly Case[] = [
  ['one version skipped', inflight({ version: 2, delta_log_path: LOG.replace('01.json', '02.json') })],
  ['many versions skipped', inflight({ version: 900, delta_log_path: undefined })],
  ['the first version skipped', spoil(STATE, { latest_version: -1 })],
  ['the largest version', inflight({ version: Number.MAX_SAFE_INTEGER, delta_log_path: undefined })],
]

/** Everything that makes a marker corrupt (spec/coordinator.md 3.2). */
export const MARKER_CASES: readonly Case[] = [
  ...anyDocument(MARKER, 16 * 1024),
  ...[
    'idempotency_key',
    'idempotency_key_hash',
    'request_hash',
    'version',
    'delta_log_path',
    'committed_at_ms',
  ].flatMap((name): Case[] => [
    [`${name} missing`, spoil(MARKER, { [name]: undefined })],
    [`${name} null`, spoil(MARKER, { [name]: null })],
    [`${name} an object`, spoil(MARKER, { [name]: { note: CANARY } })],
  ]),
  ['the marker of another key', spoil(MARKER, { idempotency_key: freshId() })],
  ['the key in upper case', spoil(MARKER, { idempotency_key: KEY.toUpperCase() })],
  ['version -1', spoil(MARKER, { version: -1 })],
  ...badIntegers('version', MARKER),
  ...badIntegers('committed_at_ms', MARKER),
  ...badIntegers('read_version', MARKER),
  ['read_version -2', spoil(MARKER, { read_version: -2 })],
  ...Object.entries(BAD_LOG_PATHS).map(([name, path]): Case => [
    `delta_log_path ${name}`,
    spoil(MARKER, { delta_log_path: path }),
  ]),
  ['payload_sha256 of 63 digits', spoil(MARKER, { payload_sha256: 'a'.repeat(63) })],
  ['staged_path a number', spoil(MARKER, { staged_path: 1 })],
  ['recovered_from_log a word', spoil(MARKER, { recovered_from_log: 'yes' })],
]
