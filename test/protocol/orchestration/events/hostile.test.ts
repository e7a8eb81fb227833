/**
 * Texts that mean harm (correctness.md S14, S15; spec/events.md 2): each is the event that the reference reads, or an
 * `EventError` with the object's path, the byte and what was expected there. Nothing else is ever thrown.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeEvent, EventError } from '../../../../lib/protocol/orchestration/events/decode.ts'
import { encodeEvent, newEvent } from '../../../../lib/protocol/orchestration/events/encode.ts'
import type { NewEvent } from '../../../../lib/protocol/orchestration/events/encode.ts'
import type { LedgerEvent } from '../../../../lib/protocol/orchestration/events/kinds.ts'
import { cpuTime_ms } from '../../../support/cpu-time.ts'
import { histories } from '../../../support/fold-histories.ts'

const PATH = 'ledger/orchestration/2026-01-01/evt_1.json'
const MIB = 2 ** 20

/** Long enough for slower than linear to show, by processor time; a linear reader needs some hundredths of it. */
const LINEAR_MS = 1500

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

function eventWith(data: NewEvent['data']): string {
  return encodeEvent(
    newEvent({ event_id: 'evt_1', timestamp: 0n, tenant_id: 'acme', workspace_id: 'prod', data }),
  )
}

const TRIGGER = eventWith({
  type: 'run_triggered',
  run_id: 'r1',
  plan_id: 'p1',
  trigger: { type: 'manual', user_id: 'u' },
  root_assets: ['a'],
  run_key: null,
  labels: new Map([['kind', 'k']]),
  code_version: null,
})

const FINISHED = eventWith({
  type: 'task_finished',
  run_id: 'r1',
  task_key: 'a',
  attempt: 1,
  attempt_id: 'a1',
  worker_id: 'w',
  outcome: 'succeeded',
  materialization_id: null,
  error_message: null,
  output: {
    materializationId: null,
    rowCount: 1n,
    byteSize: null,
    outputPath: null,
    deltaTable: null,
    deltaVersion: 2n,
    deltaPartition: null,
    outputVisibilityState: null,
    publishedAt: null,
    publishError: null,
  },
  error: null,
  metrics: null,
  cancelled_during_phase: null,
  partial_progress_json: null,
  asset_key: null,
  partition_key: null,
  code_version: null,
})

/** The error that a text is refused with; fails when it is read, or anything else is thrown. */
function refusal(input: Uint8Array | string): EventError {
  try {
    decodeEvent(input, PATH)
  } catch (error) {
    if (error instanceof EventError) return error
    throw error
  }
  throw new Error('expected the text to be refused')
}

/** The text with one piece of it replaced, which must be there. */
function having(text: string, piece: string, by: string): string {
  expect(text).toContain(piece)
  return text.replace(piece, () => by)
}

/** The trigger with one more member in the envelope, or in its payload. */
const inEnvelope = (member: string): string =>
  having(TRIGGER, '{"correlation_id"', `{${member},"correlation_id"`)
const inPayload = (member: string): string => having(TRIGGER, '"data":{', `"data":{${member},`)

/** Of an unknown kind, so that the content does not matter. */
const unknownWith = (member: string): string =>
  having(inPayload(member), '"type":"run_triggered"', '"type":"run_tickled"')

describe('depth', () => {
  const arrays = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)
  const objects = (levels: number): string => '{"a":'.repeat(levels) + '0' + '}'.repeat(levels)

  test.each([
    ['arrays in the envelope', (levels: number) => inEnvelope(`"x":${arrays(levels - 1)}`)],
    ['objects in the envelope', (levels: number) => inEnvelope(`"x":${objects(levels - 1)}`)],
    ['arrays in the payload', (levels: number) => inPayload(`"x":${arrays(levels - 2)}`)],
    ['objects in an unknown payload', (levels: number) => unknownWith(`"x":${objects(levels - 2)}`)],
    ['arrays, with blanks', (levels: number) => inEnvelope(`"x": ${arrays(levels - 1)}`)],
  ])('S14, events.md 2.1: 127 levels are read and 128 are not, as %s', (_, nested) => {
    expect(decodeEvent(nested(127), PATH).event_id).toBe('evt_1')
    expect(refusal(nested(128)).detail).toContain('at most 127 containers')
  })

  test('S14: a million levels are refused where the 128th begins, in linear time and without a deep stack', () => {
    const text = inEnvelope(`"x":${'['.repeat(MIB)}`)
    const error = refusal(text)
    expect(error.offset).toBe(text.indexOf('[') + 126)
    for (const deep of [text, inPayload(`"x":${arrays(MIB)}`), '{"a":'.repeat(MIB), '['.repeat(MIB)])
      expect(cpuTime_ms(() => void refusal(deep))).toBeLessThan(LINEAR_MS)
  })
})

describe('names', () => {
  test('S15, fold.md 11: __proto__ and constructor are labels like others', () => {
    const text = having(
      TRIGGER,
      '{"kind":"k"}',
      '{"__proto__":"p","constructor":"c","kind":"k","toString":"t"}',
    )
    const { data } = decodeEvent(text, PATH)
    const labels = data.type === 'run_triggered' ? data.labels : new Map<string, string>()
    expect([...labels.keys()]).toEqual(['__proto__', 'constructor', 'kind', 'toString'])
    expect(decodeEvent(encodeEvent(decodeEvent(text)))).toEqual(decodeEvent(text))
  })

  test.each([
    ['in the envelope', inEnvelope],
    ['in a payload', inPayload],
    ['in an unknown payload', unknownWith],
  ])('S15: __proto__ %s is ignored, and lends its members to nothing', (_, within) => {
    const member = '"__proto__":{"causation_id":"x","run_key":"x","polluted":true}'
    for (const text of [within(member), within(`${member} `)]) {
      const event = decodeEvent(text, PATH)
      expect(event.causation_id).toBeNull()
      expect(event.data).not.toHaveProperty('polluted')
      expect({}).not.toHaveProperty('polluted')
    }
    expect(decodeEvent(inPayload(member))).toEqual(decodeEvent(TRIGGER))
  })

  test('S15: required members are not found in a prototype', () => {
    const text = having(TRIGGER, '"event_id":"evt_1",', '"__proto__":{"event_id":"evt_1"},')
    expect(refusal(text)).toMatchObject({ path: PATH, member: '', offset: 0 })
    expect(refusal(text).detail).toContain('expected "event_id", a string, saw no such member')
  })
})

describe('repeated members', () => {
  test.each([
    ['of the envelope', '"event_id":"evt_1",', '"event_id":"evt_1","event_id":"evt_2",', 'event_id'],
    ['even if equal', '"tenant_id":"acme",', '"tenant_id":"acme","tenant_id":"acme",', 'tenant_id'],
    ['of a payload', '"run_id":"r1",', '"run_id":"r1","run_id":"r1",', 'run_id'],
    ['that are absent', '"run_id":"r1",', '"run_key":null,"run_key":null,"run_id":"r1",', 'run_key'],
    ['that is the payload', '"data":{', '"data":{"type":"x"},"data":{', 'data'],
    ['that tag a payload', '"type":"run_triggered"', '"type":"x","type":"run_triggered"', 'type'],
    ['that tag a nested value', '"type":"manual"', '"type":"cron","type":"manual"', 'type'],
    ['of a nested value', '"user_id":"u"', '"user_id":"u","user_id":"u"', 'user_id'],
    ['spelled with escapes', '"run_id":"r1",', '"run_id":"r1","run\\u005fid":"r1",', 'run_id'],
  ])('events.md 2.6: declared ones are an error, %s', (_, piece, by, name) => {
    const text = having(TRIGGER, piece, by)
    const error = refusal(text)
    expect(error.detail).toContain(`expected "${name}" once, saw it again`)
    expect(text.slice(error.offset)).toMatch(/^"/)
    expect(text.lastIndexOf(by, error.offset)).toBeGreaterThan(0)
  })

  test.each([
    inEnvelope('"x":1,"x":[2]'),
    inPayload('"x":{},"x":null'),
    unknownWith('"run_id":1,"run_id":2'),
  ])('events.md 2.6: ignored ones are ignored', (text) => {
    expect(decodeEvent(text, PATH).event_id).toBe('evt_1')
  })

  test('events.md 2.6: of labels the last counts, and each must be a string', () => {
    const labelled = (labels: string): string => having(TRIGGER, '{"kind":"k"}', labels)
    const { data } = decodeEvent(labelled('{"a":"1","b":"2","a":"3","__proto__":"4","__proto__":"5"}'))
    const labels = data.type === 'run_triggered' ? [...data.labels] : []
    expect(labels).toEqual([
      ['a', '3'],
      ['b', '2'],
      ['__proto__', '5'],
    ])
    expect(refusal(labelled('{"a":1,"a":"3"}')).detail).toContain('expected a string for "a", saw 1')
    expect(refusal(labelled('{"a":"3","a":1}'))).toMatchObject({ member: 'data.labels.a' })
  })

  test('S14: 100 000 of them take linear time', () => {
    const many = (member: string): string => Array.from({ length: 100_000 }, () => member).join(',')
    const labelled = having(TRIGGER, '{"kind":"k"}', `{${many('"a":"1"')}}`)
    expect(cpuTime_ms(() => void decodeEvent(labelled))).toBeLessThan(LINEAR_MS)
    expect(cpuTime_ms(() => void decodeEvent(inPayload(many('"x":0'))))).toBeLessThan(LINEAR_MS)
    expect(cpuTime_ms(() => void refusal(inPayload(many('"run_id":"r"'))))).toBeLessThan(LINEAR_MS)
  })
})

describe('strings', () => {
  test('events.md 0: a mebibyte is a string like others, as a value, a name and a label', () => {
    const long = 'é'.repeat(MIB / 2)
    const event = decodeEvent(having(TRIGGER, '"run_id":"r1"', `"run_id":"${long}"`))
    expect(event.data).toMatchObject({ run_id: long })
    expect(decodeEvent(inEnvelope(`"${long}":"${long}"`))).toEqual(decodeEvent(TRIGGER))
    const labelled = decodeEvent(having(TRIGGER, '{"kind":"k"}', `{"${long}":"${long}"}`))
    expect(labelled.data).toMatchObject({ labels: new Map([[long, long]]) })
  })

  test('S14: long values that are wrong are refused in linear time, and not echoed', () => {
    const long = 'x'.repeat(MIB)
    const texts = [
      having(TRIGGER, '"1970-01-01T00:00:00Z"', `"${long}"`),
      having(TRIGGER, '"1970-01-01T00:00:00Z"', `"1970-01-01T00:00:00.${'0'.repeat(MIB)}"`),
      having(TRIGGER, '"1970-01-01T00:00:00Z"', `"1970-01-01T00:00:00${' '.repeat(MIB)}"`),
      having(TRIGGER, '"1970-01-01T00:00:00Z"', `"${' '.repeat(MIB)}"`),
      having(TRIGGER, '"1970-01-01T00:00:00Z"', `"1970-01-01T00:00:00+01${': '.repeat(MIB / 2)}"`),
      having(TRIGGER, '"1970-01-01T00:00:00Z"', `"+${'1'.repeat(MIB)}-01-01T00:00:00Z"`),
      having(TRIGGER, '"type":"manual"', `"type":"${long}"`),
      having(TRIGGER, '"run_id":"r1"', `"run_id":["${long}"]`),
      having(TRIGGER, '{"kind":"k"}', `{"${long}":1}`),
      having(TRIGGER, '"event_version":1', `"event_version":${'9'.repeat(MIB)}`),
      having(FINISHED, '"deltaVersion":2', `"deltaVersion":${'9'.repeat(MIB)}`),
      having(FINISHED, '"rowCount":1', `"rowCount":${'9'.repeat(MIB)}`),
    ]
    for (const text of texts) {
      let error: EventError | undefined
      expect(cpuTime_ms(() => (error = refusal(text)))).toBeLessThan(LINEAR_MS)
      expect(error?.detail.length).toBeLessThan(300)
      expect(error?.member.length).toBeLessThan(100)
    }
  })

  test('events.md 2.3: a mebibyte of zeros in a fraction is dropped', () => {
    const text = having(TRIGGER, '"1970-01-01T00:00:00Z"', `"1970-01-01T00:00:00.${'0'.repeat(MIB)}Z"`)
    expect(decodeEvent(text)).toEqual(decodeEvent(TRIGGER))
  })

  test.each(['\\ud800', '\\uDBFF', '\\udc00', '\\uDFFF', 'a\\ud83dz', '\\ude00\\ud83d'])(
    'events.md 2.1: the lone surrogate %s is an error, wherever it is',
    (escape) => {
      for (const text of [
        having(TRIGGER, '"run_id":"r1"', `"run_id":"${escape}"`),
        having(TRIGGER, '{"kind":"k"}', `{"${escape}":"k"}`),
        inEnvelope(`"x":"${escape}"`),
        inEnvelope(`"${escape}":0`),
        unknownWith(`"x":["${escape}"]`),
      ]) {
        const error = refusal(text)
        expect(error).toMatchObject({ path: PATH, code: 'event_invalid' })
        expect(text.slice(error.offset)).toMatch(/^"/)
        expect(error.detail).toContain('expected a string that can be written as UTF-8')
      }
    },
  )

  test('events.md 2.1: surrogates of a string given as such are no better', () => {
    expect(refusal(having(TRIGGER, '"r1"', '"\ud800"')).detail).toContain('UTF-8')
  })

  test.each([
    ['\\u0000', '\u0000'],
    ['\\ud83d\\ude00', '\u{1f600}'],
    ['\\uD83D\\uDE00', '\u{1f600}'],
    ['\\\\ud800', '\\ud800'],
    ['\\u2028\\/', '\u2028/'],
    ['\ufeff', '\ufeff'],
  ])('events.md 2.1: %j is a string', (json, value) => {
    expect(decodeEvent(bytesOf(having(TRIGGER, '"run_id":"r1"', `"run_id":"${json}"`))).data).toMatchObject({
      run_id: value,
    })
  })

  test.each([
    ['a surrogate in UTF-8', [0xed, 0xa0, 0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a lonely continuation', [0x80]],
    ['half a character', [0xe2, 0x82]],
    ['beyond the last character', [0xf4, 0x90, 0x80, 0x80]],
  ])('events.md 2.1: %s is no UTF-8, and the error has its byte', (_, wrong) => {
    const [before = '', after = ''] = TRIGGER.split('"acme"')
    const error = refusal(Uint8Array.of(...bytesOf(`${before}"`), ...wrong, ...bytesOf(`"${after}`)))
    expect(error).toMatchObject({ path: PATH, member: '' })
    // The decoder stops at the first byte that cannot go on what it has begun.
    expect(error.offset - before.length - 1).toBeGreaterThanOrEqual(0)
    expect(error.offset - before.length - 1).toBeLessThanOrEqual(wrong.length)
  })

  test('events.md 2.1: a byte order mark is an error', () => {
    expect(refusal(bytesOf(`\ufeff${TRIGGER}`))).toMatchObject({ offset: 0 })
    expect(refusal(`\ufeff${TRIGGER}`)).toMatchObject({ offset: 0 })
  })
})

describe('integers', () => {
  const withVersion = (integer: string): string =>
    having(FINISHED, '"deltaVersion":2', `"deltaVersion":${integer}`)

  test.each(['9223372036854775807', '-9223372036854775808', '9007199254740993', '0', '-1'])(
    'events.md 2.2: %s keeps every digit',
    (integer) => {
      const event = decodeEvent(withVersion(integer), PATH)
      expect(event.data).toMatchObject({ output: { deltaVersion: BigInt(integer) } })
      expect(encodeEvent(event)).toContain(`"deltaVersion":${integer}`)
    },
  )

  test.each([
    '9223372036854775808',
    '-9223372036854775809',
    '1.0',
    '1e0',
    '-0',
    '"1"',
    'true',
    '[1]',
    '1E400',
  ])('events.md 2.2: %s is no 64-bit integer', (integer) => {
    const text = withVersion(integer)
    const error = refusal(text)
    expect(error).toMatchObject({ path: PATH, member: 'data.output.deltaVersion' })
    expect(error.offset).toBe(text.indexOf('"deltaVersion":') + 15)
    expect(error.detail).toContain('expected an integer from -9223372036854775808 to 9223372036854775807')
  })

  test.each([
    ['"attempt":1', '"attempt":4294967295', true],
    ['"attempt":1', '"attempt":4294967296', false],
    ['"attempt":1', '"attempt":-1', false],
    ['"attempt":1', '"attempt":-0', false],
    ['"attempt":1', '"attempt":1.0', false],
    ['"attempt":1', '"attempt":null', false],
    ['"rowCount":1', '"rowCount":18446744073709551615', true],
    ['"rowCount":1', '"rowCount":18446744073709551616', false],
    ['"rowCount":1', '"rowCount":-1', false],
    ['"rowCount":1', '"rowCount":null', true],
  ])('events.md 0: instead of %s, %s is read: %s', (piece, by, is_read) => {
    const text = having(FINISHED, piece, by)
    const outcomes = [text, text.replace('{', '{ ')].map((each) => {
      try {
        return decodeEvent(each, PATH).event_id === 'evt_1'
      } catch (error) {
        return !(error instanceof EventError)
      }
    })
    expect(outcomes).toEqual([is_read, is_read])
  })
})

describe('damage', () => {
  const examples = [TRIGGER, FINISHED, having(TRIGGER, '"r1"', '"é\u{1f600}"')]

  test('truncated at any byte, an event is refused at the place where it ends', () => {
    for (const text of examples) {
      const bytes = bytesOf(text)
      for (let length = 0; length < bytes.length; length += 1) {
        const error = refusal(bytes.subarray(0, length))
        expect([error.path, error.code, error.offset <= length]).toEqual([PATH, 'event_invalid', true])
        expect(error.detail).toContain('expected')
      }
    }
  })

  test('events.md 2.1: whatever follows an event but blanks is an error', () => {
    expect(decodeEvent(`${TRIGGER}\r\n\t `)).toEqual(decodeEvent(TRIGGER))
    for (const rest of ['x', '\u0000', '{}', ',', '\u00a0', '\ufeff'])
      expect(refusal(`${TRIGGER}${rest}`)).toMatchObject({ offset: bytesOf(TRIGGER).length })
  })

  test('one byte that is another is read as an event or refused, whichever it is', () => {
    const bytes = bytesOf(FINISHED)
    const wrong = [0x00, 0x22, 0x30, 0x5c, 0x7d, 0x80]
    for (let at = 0; at < bytes.length; at += 1) {
      for (const byte of wrong) expect(outcomeOf(bytes.with(at, byte))).toBe('event or EventError')
    }
  })

  test('any JSON, any text and any bytes are read as an event or refused', () => {
    const inputs = fc.oneof(fc.json(), fc.string({ unit: 'binary' }), fc.uint8Array())
    fc.assert(
      fc.property(inputs, (input) => {
        expect(outcomeOf(input)).toBe('event or EventError')
      }),
      { numRuns: 2000 },
    )
  })

  test('events of every kind survive being written and read, plainly or with blanks', () => {
    fc.assert(
      fc.property(histories({ length_max: 5, ids: 'any' }), (events) => {
        for (const event of events) expect(readTwice(event)).toEqual([event, event])
      }),
      { numRuns: 1000 },
    )
  })
})

function outcomeOf(input: Uint8Array | string): string {
  try {
    decodeEvent(input, PATH)
  } catch (error) {
    if (!(error instanceof EventError)) return String(error)
  }
  return 'event or EventError'
}

/** By the fast reader and by the strict one. */
function readTwice(event: LedgerEvent): LedgerEvent[] {
  const text = encodeEvent(event)
  return [decodeEvent(text), decodeEvent(bytesOf(` ${text}`))]
}

describe('what an error says', () => {
  test.each([
    ['', '', 0, 'expected a value, saw the end of the text'],
    ['[]', '', 0, 'expected an object, saw an array at byte 0'],
    ['null', '', 0, 'expected an object, saw null at byte 0'],
    [having(TRIGGER, '"data":{', '"data":7,"x":{'), 'data', null, 'expected an object, saw 7 at data'],
    [having(TRIGGER, '"acme"', 'null'), 'tenant_id', null, 'expected a string, saw null at tenant_id'],
    [having(TRIGGER, '["a"]', '["a",null]'), 'data.root_assets[1]', null, 'expected a string, saw null'],
    [having(TRIGGER, '["a"]', '"a"'), 'data.root_assets', null, 'expected an array, saw the string "a"'],
    [
      having(TRIGGER, '"type":"manual"', '"type":"Manual"'),
      'data.trigger.type',
      null,
      'expected one of cron, manual,',
    ],
    [
      having(TRIGGER, '"type":"manual",', ''),
      'data.trigger',
      null,
      'expected "type", a string, saw no such member',
    ],
    [having(TRIGGER, '"run_triggered"', '[]'), 'data.type', null, 'expected a string, saw an array'],
    [
      having(TRIGGER, '{"kind":"k"}', '{"a b":{}}'),
      'data.labels["a b"]',
      null,
      'expected a string, saw an object',
    ],
    [
      having(TRIGGER, '"event_version":1', '"event_version":1.5'),
      'event_version',
      null,
      'saw the number 1.5',
    ],
  ])('%#: member, byte and expectation', (text, member, offset, says) => {
    const error = refusal(text)
    expect(error).toMatchObject({ name: 'EventError', code: 'event_invalid', path: PATH, member })
    expect(error.detail).toContain(says)
    expect(error.message).toBe(`event ${PATH} is invalid: ${error.detail}`)
    expect(error.offset).toBe(offset ?? error.offset)
    expect(error.detail).toContain(`${error.offset}`)
  })

  test('the offset counts bytes, not characters', () => {
    const text = having(having(TRIGGER, '"acme"', '"é\u{1f600}"'), '"prod"', '7')
    const [before = ''] = text.split('7}')
    expect(refusal(text)).toMatchObject({ member: 'workspace_id', offset: bytesOf(before).length })
    expect(refusal(bytesOf(text))).toMatchObject({ member: 'workspace_id', offset: bytesOf(before).length })
  })

  test('without a path it names none', () => {
    expect(() => decodeEvent('{')).toThrow('event is invalid: expected a member name')
  })
})
