import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkPayload } from '../../../lib/protocol/delta/payload.ts'
import { cpuTime_ms } from '../../support/cpu-time.ts'

const MIB_5 = 5 * 2 ** 20

/** Lines of `line(0)`, `line(1)`, … up to the largest body that can be staged. */
function fill(line: (index: number) => string): string {
  const lines: string[] = []
  for (let index = 0, size = 0; size < MIB_5 - 1000; index += 1) {
    lines.push(line(index))
    size += line(index).length + 1
  }
  return lines.join('\n')
}

const add = (index: number): string =>
  JSON.stringify({
    add: {
      path: `day=2026-01-01/part-${index}.snappy.parquet`,
      partitionValues: { day: '2026-01-01' },
      size: 1000 + index,
      modificationTime: 1739443200000,
      dataChange: true,
      stats: JSON.stringify({
        numRecords: 5,
        minValues: { a: 1.5 },
        maxValues: { a: 7.5 },
        nullCount: { a: 0 },
      }),
    },
  })

describe('never enforced (delta-log-rules.md 14)', () => {
  const info = '{"commitInfo":{"timestamp":1}}'
  const file = add(0)
  const removed = '{"remove":{"path":"day=2026-01-01/part-0.snappy.parquet","dataChange":true}}'
  const vector =
    '{"storageType":"u","pathOrInlineDv":"vBn[lx{q8@P<9BNH/isA","offset":1,"sizeInBytes":4,"cardinality":1}'

  test.each<[string, string]>([
    ['a lone commitInfo', info],
    ['DL-207 an unknown action', `${info}\n{"checkpoint":{"anything":[1.5]}}\n`],
    ['DL-207 nothing but unknown actions', '{"future":1}\n'],
    ['DL-207 unknown fields in known actions', file.replace('"size"', '"future":{"x":[null,1e400]},"size"')],
    ['DL-207 an unknown action beside a known one', '{"commitInfo":{},"future":{}}'],
    [
      'DL-207 unknown fields with the names of prototypes',
      '{"commitInfo":{"__proto__":{"x":1},"constructor":1}}',
    ],
    ['DL-207 an unknown action named __proto__', `{"__proto__":{"add":{}}}\n${info}`],
    ['DL-208 an action that is null', '{"add":null,"commitInfo":{}}'],
    ['DL-203 a missing final newline', `${info}\n${file}`],
    ['DL-202 lines that end in \\r\\n', `${info}\r\n${file}\r\n`],
    ['DL-204 blank lines', `\n${info}\n\n \t\r\n${file}\n\n`],
    ['absent commitInfo without in-commit timestamps', file],
    ['commitInfo that is not first without in-commit timestamps', `${file}\n${info}\n`],
    [
      'commitInfo of any content',
      '{"commitInfo":{"inCommitTimestamp":"soon","txnId":7,"isBlindAppend":"no","version":1e9}}',
    ],
    ['DL-344 adding a file that may be live already', file],
    ['remove without deletionTimestamp', removed],
    [
      'DL-333 one path added and removed with another deletion vector',
      `${file.replace('"size"', `"deletionVector":${vector},"size"`)}\n${removed}`,
    ],
    [
      'DL-333 one path added without and removed with a deletion vector',
      `${file}\n${removed.replace('"dataChange"', `"deletionVector":${vector},"dataChange"`)}`,
    ],
    ['3.6 txn.version that goes down, below zero even', '{"txn":{"appId":"a","version":-5}}'],
    ['DL-326 a protocol downgrade', '{"protocol":{"minReaderVersion":1,"minWriterVersion":1}}'],
    [
      'DL-327 unknown features',
      '{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["x"],"writerFeatures":["x","y"]}}',
    ],
    ['DL-346 dataChange false without any remove', file.replace('"dataChange":true', '"dataChange":false')],
    ['DL-350 a first version without metaData and protocol', `${info}\n${file}`],
    ['a space before and after the object', ` ${info} \n`],
  ])('%s passes', (_, payload) => {
    const check = checkPayload(payload)
    expect(check.findings.filter(({ severity }) => severity === 'error')).toEqual([])
    expect(check.refused).toBe(false)
  })

  test('S15 client members named like prototypes pollute nothing', () => {
    checkPayload(
      '{"add":{"__proto__":{"polluted":1}},"commitInfo":{"constructor":{"prototype":{"polluted":1}}}}',
    )
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    // Members that only __proto__ holds are not the action's own.
    const hidden = '{"txn":{"__proto__":{"appId":"a","version":1}}}'
    expect(checkPayload(hidden).findings.map(({ rule }) => rule)).toEqual(['DL-306', 'DL-306'])
  })
})

describe('summary', () => {
  test('14 A says what later steps need', () => {
    const payload = [
      '{"commitInfo":{"inCommitTimestamp":9007199254740993,"txnId":"t-1","isBlindAppend":true}}',
      '{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}',
      add(1),
      add(2),
      '{"remove":{"path":"old","dataChange":true,"size":70}}',
      '{"remove":{"path":"older","dataChange":true}}',
      '{"txn":{"appId":"app-1","version":9223372036854775807}}',
      '{"txn":{"appId":"app-2","version":1}}',
      '{"domainMetadata":{"domain":"d","configuration":"","removed":false}}',
      '{"future":{}}',
    ].join('\n')
    expect(checkPayload(payload)).toEqual({
      refused: false,
      findings: [
        { rule: 'DL-207', severity: 'info', line: 10, detail: 'a line of unknown actions passes through' },
      ],
      findings_total: 1,
      complete: true,
      summary: {
        actions: 9,
        adds: 2,
        removes: 2,
        bytesAdded: 2003n,
        bytesRemoved: 70n,
        txnApps: ['app-1', 'app-2'],
        domains: ['d'],
        hasMetadata: false,
        hasProtocol: true,
        ict: 9007199254740993n,
        txnId: 't-1',
        isBlindAppend: true,
      },
    })
  })

  test('what commitInfo does not say is null', () => {
    expect(
      checkPayload('{"commitInfo":{"txnId":1,"isBlindAppend":"yes","inCommitTimestamp":1.5}}').summary,
    ).toMatchObject({
      ict: null,
      txnId: null,
      isBlindAppend: null,
      hasMetadata: false,
    })
  })

  test('DL-211 sums of sizes are exact beyond 64 bits', () => {
    const large = (index: number): string => add(index).replace(/"size":\d+/, '"size":9223372036854775807')
    expect(checkPayload(`${large(0)}\n${large(1)}`).summary.bytesAdded).toBe(18446744073709551614n)
  })
})

describe('findings are bounded', () => {
  test('errors come first, in line order, and remarks do not crowd them out', () => {
    const suspicious = Array.from({ length: 300 }, (_, index) => add(index).replace('"{', '"[')).join('\n')
    const check = checkPayload(`${suspicious}\n\nx\n${add(0)}`)
    expect(check.findings.slice(0, 2).map(({ rule, line }) => [rule, line])).toEqual([
      ['DL-205', 302],
      ['DL-330', 303],
    ])
    expect(check.findings_total).toBe(2 + 300 + 1)
    expect(check.findings.length).toBeLessThanOrEqual(200)
  })

  test('100 errors are listed, all are counted, and after 1000 reading stops', () => {
    const many = checkPayload('x\n'.repeat(500))
    expect(many.findings).toHaveLength(100)
    expect(many).toMatchObject({ refused: true, findings_total: 500, complete: true })
    const endless = checkPayload('x\n'.repeat(100_000))
    expect(endless.findings).toHaveLength(100)
    expect(endless).toMatchObject({ refused: true, findings_total: 1000, complete: false })
  })

  test('a remark that holds for many lines is one finding that counts them', () => {
    expect(checkPayload('{"future":1}\n'.repeat(3000)).findings).toEqual([
      {
        rule: 'DL-207',
        severity: 'info',
        line: 1,
        detail: 'a line of unknown actions passes through (3000 lines, this is the first)',
      },
    ])
  })

  test('a finding quotes names and paths, shortened and escaped, and nothing else of the payload', () => {
    const path = `../secret\u001b${'x'.repeat(5000)}`
    const payload = `{"add":{"path":${JSON.stringify(path)},"size":"classified"}}\n{"commitInfo":{"a":"classified}}`
    for (const { detail } of checkPayload(payload).findings) {
      expect(detail).not.toContain('classified')
      expect(detail).not.toContain('\u001b')
      expect(detail.length).toBeLessThan(300)
    }
  })
})

describe('S14 cost', () => {
  const cases: [string, string][] = [
    ['adds with statistics', fill(add)],
    ['removes', fill((index) => `{"remove":{"path":"p${index}","dataChange":true}}`)],
    ['unknown actions', fill(() => '{"a":1}')],
    ['blank lines', '\n'.repeat(MIB_5)],
    ['broken lines', 'x\n'.repeat(MIB_5 / 2)],
    ['nested arrays', '['.repeat(MIB_5)],
    ['one wide object', `{${Array.from({ length: 300_000 }, (_, index) => `"k${index}":1`).join(',')}}`],
    ['one repeated member', `{${'"a":1,'.repeat(MIB_5 / 6)}"b":1}`],
    ['a path of escapes', `{"add":{"path":"${'%41'.repeat(MIB_5 / 3)}"}}`],
    ['a path that looks like a scheme', `{"add":{"path":"${'a:'.repeat(MIB_5 / 2)}"}}`],
    ['a path of one long scheme', `{"add":{"path":"${'a+'.repeat(MIB_5 / 2)}"}}`],
  ]

  test.each(cases)('5 MiB of %s are checked in linear time', (_, payload) => {
    // About a fifth of this on an idle machine; a quadratic step would take minutes.
    expect(cpuTime_ms(() => void checkPayload(payload))).toBeLessThan(8000)
  })

  test('5 MiB of adds are all counted', () => {
    const payload = fill(add)
    const check = checkPayload(payload)
    expect(check.findings).toEqual([])
    expect(check.summary.adds).toBe(payload.split('\n').length)
  })
})

test('fuzz: whatever the actions hold, checking answers and refuses exactly on errors', () => {
  const member = fc.constantFrom(
    'path',
    'size',
    'partitionValues',
    'dataChange',
    'stats',
    'deletionVector',
    'storageType',
    'pathOrInlineDv',
    'cardinality',
    'schemaString',
    'format',
    'provider',
    'configuration',
    'partitionColumns',
    'minReaderVersion',
    'readerFeatures',
    'appId',
    'domain',
    '__proto__',
    'constructor',
  )
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(
        null,
        true,
        0,
        -1,
        3,
        7,
        1.5,
        '',
        '{}',
        'u',
        'i',
        '../a',
        '{"numRecords":1}',
        '{"type":"struct","fields":[{}]}',
      ),
      fc.string({ maxLength: 6, unit: 'binary' }),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(member, tie('value'), { maxKeys: 6 }),
    ),
  }))
  const name = fc.constantFrom(
    'add',
    'remove',
    'cdc',
    'metaData',
    'protocol',
    'txn',
    'domainMetadata',
    'commitInfo',
    'sidecar',
    'x',
  )
  const line = fc.tuple(name, value).map(([action, content]) => JSON.stringify({ [action]: content }))
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
      const check = checkPayload(lines.join('\n'))
      expect(check.refused).toBe(check.findings.some(({ severity }) => severity === 'error'))
      for (const finding of check.findings) {
        expect(finding.rule).toMatch(/^DL-\d{3,4}$/)
        expect(finding.line ?? 1).toBeLessThanOrEqual(Math.max(1, lines.length))
      }
    }),
    { numRuns: 500 },
  )
})
