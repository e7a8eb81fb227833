import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCommitInput } from '../../lib/protocol/delta/commit-input.ts'
import { COMMIT, commitBody, refusesEach, STAGED, TABLE, type BadRequest } from '../support/bad-requests.ts'
import { testService } from '../support/service.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { countRounds } from '../support/stores.ts'

const PREFIX = `delta/staging/${TABLE}/`
const NAME = '01JKTT0G00Z4N2V8R6W1X3Y5ZB'
const OTHER = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c12'

/** Paths that do not even start where this table's staged payloads are. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  empty: '',
  'a bare name': `${NAME}.json`,
  'another table': STAGED.replace(TABLE, OTHER),
  'this table in upper case': STAGED.replace(TABLE, TABLE.toUpperCase()),
  'this table in braces': STAGED.replace(TABLE, `{${TABLE}}`),
  'this table without hyphens': STAGED.replace(TABLE, TABLE.replaceAll('-', '')),
  'a leading slash': `/${STAGED}`,
  'a leading dot segment': `./${STAGED}`,
  'a leading parent segment': `../${STAGED}`,
  'a leading space': ` ${STAGED}`,
  'a byte order mark before it': `\ufeff${STAGED}`,
  'an upper-case folder': STAGED.replace('delta', 'Delta'),
  'two slashes in the prefix': STAGED.replace('staging/', 'staging//'),
  'backslashes for slashes': STAGED.replaceAll('/', '\\'),
  'an encoded slash in the prefix': STAGED.replace('staging/', 'staging%2F'),
  'full-width slashes': STAGED.replaceAll('/', '\uff0f'),
  'division slashes': STAGED.replaceAll('/', '\u2215'),
  'the scope in front': `tenant=acme/workspace=analytics/${STAGED}`,
  'another scope in front': `tenant=rival/workspace=analytics/${STAGED}`,
  'the state object': `delta/coordinator/${TABLE}.json`,
  'a marker': `delta/idempotency/${TABLE}/bc/${'b'.repeat(64)}.json`,
  'a log entry': `tables/${TABLE}/_delta_log/00000000000000000000.json`,
  'a gs URL': `gs://lake/${STAGED}`,
  'an s3 URL': `s3://lake/${STAGED}`,
  'a file URL': `file:///${STAGED}`,
  'an http URL': `http://169.254.169.254/${STAGED}`,
  'a URL without a scheme': `//host/${STAGED}`,
  'a Windows path': `C:\\${STAGED}`,
}

/** Paths that start there and then name something else than one staged payload (R16, S2). */
const NOT_A_PAYLOAD: Readonly<Record<string, string>> = {
  'nothing after the prefix': PREFIX,
  'only the suffix': `${PREFIX}.json`,
  'no suffix': `${PREFIX}${NAME}`,
  'an upper-case suffix': `${PREFIX}${NAME}.JSON`,
  'another suffix': `${PREFIX}${NAME}.parquet`,
  'a suffix behind the suffix': `${PREFIX}${NAME}.json.json`,
  'a temporary suffix': `${PREFIX}${NAME}.json~`,
  'a trailing slash': `${PREFIX}${NAME}.json/`,
  'a trailing space': `${PREFIX}${NAME}.json `,
  'a trailing line feed': `${PREFIX}${NAME}.json\n`,
  'a trailing NUL': `${PREFIX}${NAME}.json\0`,
  'a NUL before the suffix': `${PREFIX}${NAME}\0.json`,
  'one parent segment': `${PREFIX}../${NAME}.json`,
  'parent segments to the state': `${PREFIX}../../coordinator/${TABLE}.json`,
  'parent segments to another table': `${PREFIX}../${OTHER}/${NAME}.json`,
  'parent segments to another tenant': `${PREFIX}../../../../../tenant=rival/workspace=analytics/${STAGED}`,
  'parent segments with backslashes': `${PREFIX}..\\..\\coordinator\\${TABLE}.json`,
  'an encoded parent segment': `${PREFIX}%2e%2e/${NAME}.json`,
  'an encoded parent segment in upper case': `${PREFIX}%2E%2E%2F${NAME}.json`,
  'a double encoded parent segment': `${PREFIX}%252e%252e%252f${NAME}.json`,
  'overlong UTF-8 as escapes': `${PREFIX}%c0%ae%c0%ae%c0%af${NAME}.json`,
  'full-width dots': `${PREFIX}\uff0e\uff0e/${NAME}.json`,
  'one-dot leaders': `${PREFIX}\u2024\u2024/${NAME}.json`,
  'a dot segment': `${PREFIX}./${NAME}.json`,
  'an empty segment': `${PREFIX}/${NAME}.json`,
  nested: `${PREFIX}nested/${NAME}.json`,
  'another scope nested': `${PREFIX}tenant=rival/workspace=analytics/${NAME}.json`,
  'a right-to-left override': `${PREFIX}\u202e${NAME}.json`,
  'a zero-width joiner': `${PREFIX}${NAME}\u200d.json`,
  'a combining accent, not NFC': `${PREFIX}${NAME}e\u0301.json`,
  'a lone surrogate': `${PREFIX}${NAME}\ud800.json`,
  'a ULID in lower case': `${PREFIX}${NAME.toLowerCase()}.json`,
  'a ULID with a letter that Crockford leaves out': `${PREFIX}${NAME.replace('Z', 'U')}.json`,
  'a ULID one short': `${PREFIX}${NAME.slice(1)}.json`,
  'a ULID one long': `${PREFIX}${NAME}0.json`,
  'a ULID above 128 bits': `${PREFIX}8${NAME.slice(1)}.json`,
  'a UUID in upper case': `${PREFIX}${OTHER.toUpperCase()}.json`,
  'a UUID in braces': `${PREFIX}{${OTHER}}.json`,
  'a UUID without hyphens': `${PREFIX}${OTHER.replaceAll('-', '')}.json`,
  'a UUID as a URN': `${PREFIX}urn:uuid:${OTHER}.json`,
  'a query': `${PREFIX}${NAME}.json?generation=1`,
  'a fragment': `${PREFIX}${NAME}.json#1`,
  'a wildcard': `${PREFIX}*.json`,
  'a shell substitution': `${PREFIX}$(id).json`,
  'a header injection': `${PREFIX}${NAME}.json\r\nX-Injected: 1`,
  'longer than any key': `${PREFIX}${'a'.repeat(2000)}.json`,
}

const refused = (staged_path: string, name: string, detail: string): BadRequest => ({
  name,
  body: commitBody({ staged_path }),
  answer: '400 bad_request',
  detail,
})

describe('staged_path outside of the table, S2', () => {
  refusesEach(
    Object.entries(ELSEWHERE).map(([name, path]) =>
      refused(path, name, `staged_path must start with ${PREFIX}`),
    ),
  )
})

describe('staged_path that is no staged payload, R16', () => {
  refusesEach(Object.entries(NOT_A_PAYLOAD).map(([name, path]) => refused(path, name, 'invalid staged_path')))
})

describe('staged_path, S2', () => {
  const accepted = (staged_path: string): boolean =>
    parseCommitInput({ table_id: TABLE, header_key: null, body: { ...COMMIT, staged_path } }).ok

  test('what is accepted is one canonical name below the prefix, whatever was sent', () => {
    const piece = fc.constantFrom(
      '..',
      '.',
      '/',
      '\\',
      '%2e',
      '.json',
      NAME,
      OTHER,
      'delta',
      '\0',
      '\u202e',
      'x',
    )
    const path = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece, { maxLength: 8 }).map((pieces) => `${PREFIX}${pieces.join('')}`),
      fc.ulid().map((id) => `${PREFIX}${id}.json`),
      fc.uuid().map((id) => `${PREFIX}${id}.json`),
    )
    const one_name = /^(?:[0-7][0-9A-HJKMNP-TV-Z]{25}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.json$/
    fc.assert(
      fc.property(path, (text) => {
        const is_name = text.startsWith(PREFIX) && one_name.test(text.slice(PREFIX.length))
        expect(accepted(text)).toBe(is_name)
      }),
      { numRuns: 2000 },
    )
  })

  test('both names that a staged payload can have are looked up, and nothing outside of the scope', async () => {
    const counting = countRounds(memoryStore())
    const service = testService(counting.store)
    for (const name of [NAME, OTHER]) {
      const answer = await service.request(
        'POST',
        `/api/v1/delta/tables/${TABLE}/commits`,
        commitBody({ read_version: -1, staged_path: `${PREFIX}${name}.json` }),
      )
      expect(answer.body).toMatchObject({ status: 404, reason: 'staged_not_found' })
    }
    expect(counting.operations.map(({ key }) => key)).toContain(`${service.prefix}${PREFIX}${NAME}.json`)
    expect(counting.operations.map(({ key }) => key)).toContain(`${service.prefix}${PREFIX}${OTHER}.json`)
    expect(counting.operations.filter(({ key }) => !key.startsWith(service.prefix))).toEqual([])
  })
})
