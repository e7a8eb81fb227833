import { describe, expect, test } from 'vitest'
import { checkPayload } from '../../../lib/protocol/delta/payload.ts'

type Members = Record<string, unknown>

/** One line for each action. */
function lines(...actions: readonly unknown[]): string {
  return actions.map((action) => `${typeof action === 'string' ? action : JSON.stringify(action)}\n`).join('')
}

/** `DL-nnn@line` of every finding of one severity; a finding about the whole has no line. */
function found(payload: string, severity: 'error' | 'warn' | 'info'): string[] {
  return checkPayload(payload)
    .findings.filter((finding) => finding.severity === severity)
    .map(({ rule, line }) => (line === undefined ? rule : `${rule}@${line}`))
}

const errors = (payload: string): string[] => found(payload, 'error')
const warnings = (payload: string): string[] => found(payload, 'warn')

const INFO = { commitInfo: { timestamp: 1 } }
const UUID_VECTOR = 'ab^-aqEH.-t@S}K{vb[*k^'
const INLINE_VECTOR = '^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L'

function add(members: Members = {}): { add: Members } {
  return {
    add: {
      path: 'a.parquet',
      partitionValues: {},
      size: 1,
      modificationTime: 1,
      dataChange: true,
      ...members,
    },
  }
}

function remove(members: Members = {}): { remove: Members } {
  return { remove: { path: 'a.parquet', dataChange: true, ...members } }
}

function vector(members: Members = {}): Members {
  return {
    storageType: 'u',
    pathOrInlineDv: UUID_VECTOR,
    offset: 4,
    sizeInBytes: 40,
    cardinality: 6,
    ...members,
  }
}

function column(name: string, members: Members = {}): Members {
  return { name, type: 'long', nullable: true, metadata: {}, ...members }
}

function schema(...fields: readonly unknown[]): string {
  return JSON.stringify({ type: 'struct', fields })
}

function metaData(members: Members = {}): { metaData: Members } {
  return {
    metaData: {
      id: '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11',
      format: { provider: 'parquet', options: {} },
      schemaString: schema(column('a'), column('Day')),
      partitionColumns: ['day'],
      configuration: {},
      createdTime: 1739443200000,
      ...members,
    },
  }
}

function protocol(members: Members = {}): { protocol: Members } {
  return { protocol: { minReaderVersion: 1, minWriterVersion: 2, ...members } }
}

function features(readerFeatures: readonly string[], writerFeatures = readerFeatures): { protocol: Members } {
  return protocol({ minReaderVersion: 3, minWriterVersion: 7, readerFeatures, writerFeatures })
}

/** The action without one member, at its first line. */
function without(action: Record<string, Members>, member: string): string {
  return lines(
    Object.fromEntries(
      Object.entries(action).map(([name, members]) => [
        name,
        Object.fromEntries(Object.entries(members).filter(([key]) => key !== member)),
      ]),
    ),
  )
}

describe('bytes of a commit (DL-201…210)', () => {
  test.each<[string, string, string[]]>([
    [
      'DL-201 a byte order mark is refused, and the lines are still checked',
      `\ufeff${lines(INFO, '[]')}`,
      ['DL-201', 'DL-205@2'],
    ],
    ['DL-201 a NUL is refused', `${lines(INFO)}\0\n`, ['DL-201', 'DL-205@2']],
    ['DL-201 SG-4 a lone surrogate in the payload is refused', '{"commitInfo":{"a":"\ud800"}}\n', ['DL-201']],
    ['DL-202 two objects on one line are refused', '{"commitInfo":{}} {"txn":{}}', ['DL-202@1']],
    ['DL-202 a carriage return alone separates nothing', '{"commitInfo":{}}\r{"txn":{}}', ['DL-202@1']],
    [
      'DL-205 pretty-printed JSON is refused',
      '{\n  "commitInfo": {}\n}\n',
      ['DL-205@1', 'DL-205@2', 'DL-205@3'],
    ],
    ['DL-205 an array is refused', '[{"commitInfo":{}}]', ['DL-205@1']],
    [
      'DL-205 a scalar is refused',
      lines(INFO, '1', '"x"', 'null', 'true'),
      ['DL-205@2', 'DL-205@3', 'DL-205@4', 'DL-205@5'],
    ],
    ['DL-205 JSON that readers would not take is refused', "{'commitInfo':{}}", ['DL-205@1']],
    [
      'DL-205 nesting beyond every reader is refused',
      `{"x":${'['.repeat(2000)}${']'.repeat(2000)}}`,
      ['DL-205@1'],
    ],
    ['DL-206 two known actions on one line are refused', lines({ ...INFO, ...add() }), ['DL-206@1']],
    ['DL-209 a repeated member is refused', '{"commitInfo":{"a":1,"a":2}}', ['DL-209@1']],
    ['DL-209 a repeated action is refused', '{"commitInfo":{},"commitInfo":{}}', ['DL-209@1']],
    ['DL-210 an empty payload is refused', '', ['DL-210']],
    ['DL-210 a payload of blank lines is refused', '\n \n\r\n', ['DL-210']],
    ['DL-210 a payload of nothing but null actions is refused', lines({ add: null }), ['DL-210']],
    ['DL-210 a payload of nothing but an empty object is refused', '{}\n', ['DL-210']],
  ])('%s', (_, payload, expected) => {
    expect(errors(payload)).toEqual(expected)
    expect(checkPayload(payload).refused).toBe(true)
  })

  test.each(['checkpointMetadata', 'sidecar'])(
    'DL-301 %s belongs into checkpoints and is refused',
    (name) => {
      expect(errors(lines(INFO, { [name]: { version: 1 } }))).toEqual(['DL-301@2'])
    },
  )

  test('an escaped lone surrogate, which some readers refuse, is a warning', () => {
    const payload = '{"commitInfo":{"a":["\\ud800"]}}\n{"add":null,"x":{"\\udc00":1}}\n{"y":"\\ud83d\\ude00"}'
    expect(errors(payload)).toEqual([])
    expect(checkPayload(payload).findings).toContainEqual({
      rule: 'DL-201',
      severity: 'warn',
      line: 1,
      detail: 'some readers refuse an escaped lone surrogate (2 lines, this is the first)',
    })
  })
})

describe('required and typed members (3.3–3.8)', () => {
  const actions: [string, Record<string, Members>, string[]][] = [
    ['DL-303', add(), ['path', 'partitionValues', 'size', 'modificationTime', 'dataChange']],
    ['DL-304', remove(), ['path', 'dataChange']],
    [
      'DL-305',
      { cdc: { path: 'c', partitionValues: {}, size: 1, dataChange: false } },
      ['path', 'partitionValues', 'size', 'dataChange'],
    ],
    ['DL-306', { txn: { appId: 'a', version: 1 } }, ['appId', 'version']],
    [
      'DL-307',
      { domainMetadata: { domain: 'd', configuration: '', removed: false } },
      ['domain', 'configuration', 'removed'],
    ],
    ['DL-311', metaData(), ['id', 'format', 'schemaString', 'partitionColumns', 'configuration']],
    ['DL-321', protocol(), ['minReaderVersion', 'minWriterVersion']],
  ]
  const required = actions.flatMap(([rule, action, members]) =>
    members.map((member): [string, string, string, Record<string, Members>] => [
      rule,
      Object.keys(action)[0] ?? '',
      member,
      action,
    ]),
  )

  test.each(actions)('%s the complete action passes', (_, action) => {
    expect(checkPayload(lines(action)).findings).toEqual([])
  })

  test.each(required)('%s %s needs %s', (rule, name, member, action) => {
    expect(errors(without(action, member))).toEqual([`${rule}@1`])
    // A null counts as absent (DL-208).
    expect(errors(lines({ [name]: { ...action[name], [member]: null } }))).toEqual([`${rule}@1`])
    expect(errors(lines({ [name]: { ...action[name], [member]: [[]] } }))).toEqual([`${rule}@1`])
  })

  test.each([
    ['DL-303', add({ stats: {} })],
    ['DL-303', add({ tags: 'x' })],
    ['DL-303', add({ tags: { a: 1 } })],
    ['DL-303', add({ baseRowId: '1' })],
    ['DL-303', add({ defaultRowCommitVersion: true })],
    ['DL-303', add({ clusteringProvider: 1 })],
    ['DL-1201', add({ deletionVector: 'u' })],
    ['DL-304', remove({ deletionTimestamp: 'now' })],
    ['DL-304', remove({ extendedFileMetadata: 1 })],
    ['DL-304', remove({ size: '1' })],
    ['DL-305', { cdc: { path: 'c', partitionValues: {}, size: 1, dataChange: true } }],
    ['DL-306', { txn: { appId: 'a', version: 1, lastUpdated: '1' } }],
    ['DL-311', metaData({ name: 1 })],
    ['DL-311', metaData({ createdTime: 'x' })],
    ['DL-311', metaData({ format: {} })],
    ['DL-311', metaData({ configuration: { a: true } })],
    ['DL-337', add({ partitionValues: { day: 1 } })],
    ['DL-337', remove({ partitionValues: { day: false } })],
  ])('%s a member of another type is refused: %j', (rule, action) => {
    expect(errors(lines(action))).toEqual([`${rule}@1`])
  })

  test.each(['add', 'remove', 'cdc', 'txn', 'metaData', 'protocol', 'domainMetadata', 'commitInfo'])(
    '%s that is no object is refused',
    (name) => {
      expect(errors(lines({ [name]: 1 }))).toHaveLength(1)
      expect(errors(lines({ [name]: [] }))).toHaveLength(1)
    },
  )

  test('DL-308 a second commitInfo is refused', () => {
    expect(errors(lines(INFO, add(), INFO))).toEqual(['DL-308@3'])
  })

  test('DL-211 64-bit integers are exact, and other spellings are no integers', () => {
    const sized = (size: string): string => lines(add()).replace('"size":1', `"size":${size}`)
    expect(checkPayload(sized('9223372036854775807')).summary.bytesAdded).toBe(9223372036854775807n)
    expect(checkPayload(sized('9007199254740993')).summary.bytesAdded).toBe(9007199254740993n)
    for (const size of ['9223372036854775808', '1.0', '1e3', '-0', '"1"', '1'.repeat(900)]) {
      expect(errors(sized(size))).toEqual(['DL-303@1'])
    }
    expect(errors('{"txn":{"appId":"a","version":-9223372036854775808}}')).toEqual([])
    expect(errors('{"txn":{"appId":"a","version":-9223372036854775809}}')).toEqual(['DL-306@1'])
  })

  test('every finding is returned, not the first', () => {
    const payload = lines({ add: { path: '../x', size: -1 } }, { txn: {} }, 'x')
    expect(errors(payload).toSorted()).toEqual(
      [
        'DL-303@1',
        'DL-303@1',
        'DL-303@1',
        'DL-335@1',
        'DL-403@1',
        'DL-306@2',
        'DL-306@2',
        'DL-205@3',
      ].toSorted(),
    )
  })
})

describe('metaData (DL-310…319)', () => {
  const mapped = (name: string, id: unknown, physicalName: unknown): Members =>
    column(name, {
      metadata: { 'delta.columnMapping.id': id, 'delta.columnMapping.physicalName': physicalName },
    })
  const byName = { 'delta.columnMapping.mode': 'name' }

  test.each<[string, string, string[]]>([
    ['DL-310 a second metaData is refused', lines(metaData(), metaData()), ['DL-310@2']],
    ['DL-312 text that is no JSON is refused', lines(metaData({ schemaString: '{' })), ['DL-312@1']],
    ['DL-312 an empty text is refused', lines(metaData({ schemaString: '' })), ['DL-312@1']],
    ['DL-312 a type other than struct is refused', lines(metaData({ schemaString: '"long"' })), ['DL-312@1']],
    [
      'DL-312 a struct without fields is refused',
      lines(metaData({ schemaString: '{"type":"struct"}' })),
      ['DL-312@1'],
    ],
    [
      'DL-312 a field that is no object is refused',
      lines(metaData({ schemaString: schema('a') })),
      ['DL-312@1'],
    ],
    [
      'DL-312 a field without name is refused',
      lines(
        metaData({
          partitionColumns: [],
          schemaString: schema({ type: 'long', nullable: true, metadata: {} }),
        }),
      ),
      ['DL-312@1'],
    ],
    [
      'DL-312 a field without type, nullable and metadata is refused',
      lines(metaData({ partitionColumns: [], schemaString: schema({ name: 'a' }) })),
      ['DL-312@1'],
    ],
    [
      'DL-313 a partition column outside the schema is refused',
      lines(metaData({ partitionColumns: ['day', 'x'] })),
      ['DL-313@1'],
    ],
    [
      'DL-313 a nested field is no partition column',
      lines(
        metaData({
          partitionColumns: ['b'],
          schemaString: schema(column('a', { type: { type: 'struct', fields: [column('b')] } })),
        }),
      ),
      ['DL-313@1'],
    ],
    [
      'DL-318 another mapping mode is refused',
      lines(metaData({ configuration: { 'delta.columnMapping.mode': 'Name' } })),
      ['DL-318@1'],
    ],
  ])('%s', (_, payload, expected) => {
    expect(errors(payload)).toEqual(expected)
  })

  test('DL-313 names are compared whatever their case', () => {
    expect(errors(lines(metaData({ partitionColumns: ['DAY', 'a'] })))).toEqual([])
  })

  test.each<[string, { metaData: Members }, string[]]>([
    [
      'DL-314 names that differ only in case',
      metaData({ schemaString: schema(column('day'), column('DAY')) }),
      ['DL-314@1'],
    ],
    [
      'DL-314 the same inside an array of structs',
      metaData({
        partitionColumns: [],
        schemaString: schema(
          column('a', {
            type: { type: 'array', elementType: { type: 'struct', fields: [column('x'), column('X')] } },
          }),
        ),
      }),
      ['DL-314@1'],
    ],
    ['DL-315 another format', metaData({ format: { provider: 'orc' } }), ['DL-315@1']],
    ['DL-318 mapped columns without ids', metaData({ configuration: byName }), ['DL-318@1']],
    [
      'DL-318 mapped columns with one physical name',
      metaData({
        configuration: byName,
        partitionColumns: [],
        schemaString: schema(mapped('a', 1, 'p'), mapped('b', 2, 'p')),
      }),
      ['DL-318@1'],
    ],
    [
      'DL-319 a schema without fields',
      metaData({ partitionColumns: [], schemaString: schema() }),
      ['DL-319@1'],
    ],
  ])('%s: a warning', (_, action, expected) => {
    expect(errors(lines(action))).toEqual([])
    expect(warnings(lines(action))).toEqual(expected)
  })

  test.each(['none', 'name', 'id'])('DL-318 mode %s with mapped columns passes', (mode) => {
    const action = metaData({
      configuration: { 'delta.columnMapping.mode': mode },
      partitionColumns: [],
      schemaString: schema(mapped('a', 1, 'col-1'), mapped('b', 2, 'col-2')),
    })
    expect(checkPayload(lines(action)).findings).toEqual([])
  })
})

describe('protocol (DL-320…325)', () => {
  test.each<[string, string, string[]]>([
    ['DL-320 a second protocol is refused', lines(protocol(), protocol()), ['DL-320@2']],
    ['DL-321 reader 0 is refused', lines(protocol({ minReaderVersion: 0 })), ['DL-321@1']],
    ['DL-321 reader 4 is unsupported', lines(protocol({ minReaderVersion: 4 })), ['DL-321@1']],
    ['DL-321 writer 8 is unsupported', lines(protocol({ minWriterVersion: 8 })), ['DL-321@1']],
    [
      'DL-321 99 and 5 are both unsupported',
      lines(protocol({ minReaderVersion: 99, minWriterVersion: 50 })),
      ['DL-321@1', 'DL-321@1'],
    ],
    ['DL-322 reader features need reader 3', lines(protocol({ readerFeatures: [] })), ['DL-322@1']],
    ['DL-322 writer features need writer 7', lines(protocol({ writerFeatures: [] })), ['DL-322@1']],
    ['DL-322 writer 7 needs writer features', lines(protocol({ minWriterVersion: 7 })), ['DL-322@1']],
    [
      'DL-322 reader 3 needs reader features',
      lines(protocol({ minReaderVersion: 3, minWriterVersion: 7, writerFeatures: [] })),
      ['DL-322@1'],
    ],
    [
      'DL-323 reader 3 needs writer 7',
      lines(protocol({ minReaderVersion: 3, minWriterVersion: 5, readerFeatures: [] })),
      ['DL-323@1'],
    ],
    ['DL-324 reader features are writer features too', lines(features(['x'], [])), ['DL-324@1']],
    [
      'DL-325 a reader-writer feature stands in both lists',
      lines(features([], ['deletionVectors'])),
      ['DL-325@1'],
    ],
    [
      'features that are no strings are refused',
      lines(features([1 as unknown as string], [])),
      ['DL-321@1', 'DL-322@1'],
    ],
  ])('%s', (_, payload, expected) => {
    expect(errors(payload)).toEqual(expected)
  })

  test.each([
    protocol({ minReaderVersion: 2, minWriterVersion: 5 }),
    protocol({ minReaderVersion: 2, minWriterVersion: 7, writerFeatures: ['columnMapping'] }),
    protocol({ minWriterVersion: 7, writerFeatures: ['appendOnly', 'made-up'] }),
    features(['deletionVectors', 'made-up'], ['deletionVectors', 'made-up', 'appendOnly']),
    features([]),
  ])('DL-327 %j passes', (action) => {
    expect(checkPayload(lines(action)).findings).toEqual([])
  })
})

describe('file actions of one commit (DL-330…339)', () => {
  const counted = { stats: '{"numRecords":10}' }

  test.each<[string, string, string[]]>([
    ['DL-330 a path added twice is refused', lines(add(), add()), ['DL-330@2']],
    [
      'DL-330 whatever its deletion vector',
      lines(
        add({ ...counted, deletionVector: vector() }),
        add({ ...counted, deletionVector: vector({ offset: 8 }) }),
      ),
      ['DL-330@2'],
    ],
    [
      'DL-331 a path removed twice is refused',
      lines(remove(), remove({ deletionVector: vector() })),
      ['DL-331@2'],
    ],
    ['DL-332 the same file added and removed is refused', lines(add(), remove()), ['DL-332@2']],
    ['DL-332 in the other order too', lines(remove(), add()), ['DL-332@2']],
    [
      'DL-332 with the same deletion vector too',
      lines(add({ ...counted, deletionVector: vector() }), remove({ deletionVector: vector() })),
      ['DL-332@2'],
    ],
    [
      'DL-334 two txn of one application are refused',
      lines({ txn: { appId: 'a', version: 1 } }, { txn: { appId: 'a', version: 2 } }),
      ['DL-334@2'],
    ],
    [
      'DL-334 two entries of one domain are refused',
      lines(...[1, 2].map(() => ({ domainMetadata: { domain: 'd', configuration: '', removed: false } }))),
      ['DL-334@2'],
    ],
    ['DL-335 a negative size is refused', lines(add({ size: -1 })), ['DL-335@1']],
    ['DL-335 of a remove too', lines(remove({ size: -1 })), ['DL-335@1']],
    ['DL-335 a negative time is refused', lines(add({ modificationTime: -1 })), ['DL-335@1']],
    ['DL-339 a deletion vector needs numRecords', lines(add({ deletionVector: vector() })), ['DL-339@1']],
    [
      'DL-339 in statistics that can be read',
      lines(add({ stats: '{', deletionVector: vector() })),
      ['DL-339@1'],
    ],
    [
      'DL-339 not fewer than the rows it deletes',
      lines(add({ stats: '{"numRecords":5}', deletionVector: vector() })),
      ['DL-339@1'],
    ],
  ])('%s', (_, payload, expected) => {
    expect(errors(payload)).toEqual(expected)
  })

  test.each<[string, string]>([
    [
      'DL-332 absent and 0 offsets are different vectors',
      lines(
        add({ ...counted, deletionVector: vector({ offset: 0 }) }),
        remove({ deletionVector: vector({ offset: null }) }),
      ),
    ],
    [
      'DL-330 paths are compared as they are written',
      lines(add({ path: 'a%20b' }), add({ path: 'a%2520b' }), add({ path: 'A%20b' })),
    ],
    ['DL-339 a remove may carry a vector without statistics', lines(remove({ deletionVector: vector() }))],
    [
      'DL-339 deleting every row is legal',
      lines(add({ stats: '{"numRecords":6}', deletionVector: vector() })),
    ],
  ])('%s', (_, payload) => {
    expect(errors(payload)).toEqual([])
  })

  test.each([
    '{',
    '[]',
    '1',
    '{"numRecords":-1}',
    '{"numRecords":1.5}',
    '{"numRecords":"1"}',
    '{"a":1,"a":2}',
  ])('DL-338 statistics %s are a warning', (stats) => {
    expect(errors(lines(add({ stats })))).toEqual([])
    expect(warnings(lines(add({ stats })))).toEqual(['DL-338@1'])
  })

  test.each([
    '',
    '{}',
    '{"numRecords":0}',
    '{"numRecords":9223372036854775807,"minValues":{"__proto__":1.5}}',
    '{"numRecords":null}',
  ])('DL-338 statistics %s pass', (stats) => {
    expect(checkPayload(lines(add({ stats }))).findings).toEqual([])
  })

  test('DL-335 DL-336 empty files and half-told removes are warnings', () => {
    expect(warnings(lines(add({ size: 0 }), remove({ path: 'b', extendedFileMetadata: true })))).toEqual([
      'DL-335@1',
      'DL-336@2',
    ])
    expect(warnings(lines(remove({ extendedFileMetadata: true, size: 1, partitionValues: {} })))).toEqual([])
  })
})

describe('paths (DL-401…405)', () => {
  test.each([
    ['DL-401', ''],
    ['DL-401', 'a b'],
    ['DL-401', 'a?b'],
    ['DL-401', 'a#b'],
    ['DL-401', 'a\nb'],
    ['DL-401', 'a\u0000b'],
    ['DL-401', 'a\u0085b'],
    ['DL-401', 's3://bucket/a b'],
    ['DL-402', 'a%'],
    ['DL-402', 'a%2'],
    ['DL-402', 'a%zz'],
    ['DL-402', 'a%ff'],
    ['DL-402', 'a%c0%af'],
    ['DL-402', '/a%'],
    ['DL-403', '.'],
    ['DL-403', '../a'],
    ['DL-403', 'a/../b'],
    ['DL-403', './a'],
    ['DL-403', 'a//b'],
    ['DL-403', 'a/'],
    ['DL-403', '%2e%2e/a'],
    ['DL-403', 'a%2F..%2Fb'],
    ['DL-404', '_delta_log/00000000000000000000.json'],
    ['DL-404', '%5Fdelta_log/x'],
    ['DL-404', '_delta_log%2Fx'],
  ])('%s %j is refused in every file action', (rule, path) => {
    expect(errors(lines(add({ path })))).toEqual([`${rule}@1`])
    expect(errors(lines(remove({ path })))).toEqual([`${rule}@1`])
    expect(errors(lines({ cdc: { path, partitionValues: {}, size: 1, dataChange: false } }))).toEqual([
      `${rule}@1`,
    ])
  })

  test.each([
    'part-00000.snappy.parquet',
    'day=2026-01-01/a.parquet',
    'col=a%253Ab/part.parquet',
    'a%20b%3Fc%23d',
    'a%3Ab',
    '_change_data/cdc-1.parquet',
    'x/_delta_log/y',
    'é/日本.parquet',
    'a..b/...c',
    '%F0%9F%98%80',
  ])('DL-401 %j passes', (path) => {
    expect(checkPayload(lines(add({ path }))).findings).toEqual([])
  })

  const absolute = ['s3://other/tenant=x/a.parquet', '/mnt/a', 'file:///a', 'a:b', 'C:\\a']
  test.each(absolute)('DL-405 the absolute path %j is a warning', (path) => {
    expect(errors(lines(add({ path })))).toEqual([])
    expect(warnings(lines(add({ path })))).toEqual(['DL-405@1'])
  })

  test.each(absolute)('S24 DL-405 the absolute path %j is refused where the deployment says so', (path) => {
    const check = checkPayload(lines(INFO, add({ path })), { refuse_absolute_paths: true })
    expect(check).toMatchObject({ refused: true, findings: [{ rule: 'DL-405', severity: 'error', line: 2 }] })
  })

  test('DL-405 an absolute path is refused where the payload says that the table is catalog-managed', () => {
    const table = features(['catalogManaged'], ['catalogManaged', 'inCommitTimestamp'])
    const info = { commitInfo: { inCommitTimestamp: 1, txnId: 't' } }
    expect(errors(lines(info, add({ path: '/a' }), table))).toEqual(['DL-405@2'])
  })
})

describe('deletion vectors (DL-1201, DL-340)', () => {
  const withVector = (members: Members): string =>
    lines(add({ stats: '{"numRecords":100}', deletionVector: vector(members) }))
  const inline = { storageType: 'i', offset: undefined, pathOrInlineDv: INLINE_VECTOR, sizeInBytes: 44 }

  test.each<[string, Members]>([
    ['an unknown storage type', { storageType: 'x' }],
    ['no storage type', { storageType: null }],
    ['no path', { pathOrInlineDv: null }],
    ['no size', { sizeInBytes: null }],
    ['a negative size', { sizeInBytes: -1 }],
    ['a size beyond 32 bits', { sizeInBytes: 2 ** 31 }],
    ['no cardinality', { cardinality: null }],
    ['a negative cardinality', { cardinality: -1 }],
    ['a negative offset', { offset: -1 }],
    ['an offset of another type', { offset: '4' }],
    ['a short UUID', { pathOrInlineDv: 'vBn[lx{q8@P<9BNH/is' }],
    ['a UUID outside Z85', { pathOrInlineDv: 'vBn[lx{q8@P<9BNH/is"' }],
    ['a UUID that does not fit into 16 bytes', { pathOrInlineDv: '#####'.repeat(4) }],
    ['an inline vector with an offset', { ...inline, offset: 0 }],
    ['an inline vector of another length', { ...inline, sizeInBytes: 40 }],
    ['an inline vector outside Z85', { ...inline, pathOrInlineDv: INLINE_VECTOR.replace('B', ' ') }],
    ['an inline vector that is cut off', { ...inline, pathOrInlineDv: INLINE_VECTOR.slice(0, -1) }],
  ])('DL-1201 %s is refused', (_, members) => {
    expect(errors(withVector(members)).every((found) => found === 'DL-1201@1')).toBe(true)
    expect(errors(withVector(members))).not.toEqual([])
  })

  test.each<[string, Members]>([
    ['a UUID with a prefix', { pathOrInlineDv: UUID_VECTOR }],
    ['a UUID without', { pathOrInlineDv: 'vBn[lx{q8@P<9BNH/isA', offset: undefined }],
    ['an inline vector', inline],
    ['an inline vector with padding', { ...inline, sizeInBytes: 42 }],
    ['an absolute path', { storageType: 'p', pathOrInlineDv: 's3://bucket/dv.bin' }],
  ])('DL-1201 %s passes', (_, members) => {
    expect(checkPayload(withVector(members)).findings).toEqual([])
  })

  test('DL-340 with a protocol in the payload, vectors need the feature in both lists', () => {
    const files = [
      add({ stats: '{"numRecords":9}', deletionVector: vector() }),
      remove({ path: 'b', deletionVector: vector() }),
    ]
    expect(errors(lines(...files, protocol()))).toEqual(['DL-340@1', 'DL-340@2'])
    expect(errors(lines(...files, features(['deletionVectors'])))).toEqual([])
    expect(errors(lines(...files))).toEqual([])
  })
})

describe('in-commit timestamps and catalog-managed tables (DL-601…603, 701, 702)', () => {
  const enabled = metaData({ configuration: { 'delta.enableInCommitTimestamps': 'true' } })
  const supported = protocol({ minWriterVersion: 7, writerFeatures: ['inCommitTimestamp'] })
  const managed = features(['catalogManaged'], ['catalogManaged', 'inCommitTimestamp'])
  const stamped = { commitInfo: { inCommitTimestamp: 1739443200000, txnId: 't-1' } }

  test.each<[string, string, string[]]>([
    ['DL-601 commitInfo must be there', lines(enabled, supported), ['DL-601']],
    ['DL-602 commitInfo must be first', lines(enabled, supported, stamped), ['DL-602@3']],
    ['DL-602 blank lines before it do not count', lines('', stamped, enabled, supported), []],
    ['DL-603 the timestamp must be there', lines(INFO, enabled, supported), ['DL-603@1']],
    ...['0', '-1', '1.5', '"1"', 'null', '1e3'].map((value): [string, string, string[]] => [
      `DL-603 ${value} is no timestamp`,
      lines(`{"commitInfo":{"inCommitTimestamp":${value}}}`, enabled, supported),
      ['DL-603@1'],
    ]),
    ['a payload that keeps all three passes', lines(stamped, enabled, supported), []],
    ['a feature that is not enabled demands nothing', lines(INFO, metaData(), supported), []],
    ['a property without its protocol is judged at commit time', lines(enabled), []],
    ['a protocol without its property is judged at commit time', lines(supported), []],
    [
      'DL-701 a catalog-managed table has timestamps even without its metaData',
      lines(managed),
      ['DL-601', 'DL-702'],
    ],
    [
      'DL-701 a catalog-managed table must enable timestamps',
      lines(stamped, metaData(), managed),
      ['DL-701@2'],
    ],
    [
      'DL-701 a catalog-managed table must support timestamps',
      lines(stamped, enabled, features(['catalogManaged'])),
      ['DL-701@3'],
    ],
    [
      'DL-702 every commit has a txnId',
      lines({ commitInfo: { inCommitTimestamp: 1 } }, enabled, managed),
      ['DL-702@1'],
    ],
    [
      'DL-702 an empty txnId is none',
      lines({ commitInfo: { inCommitTimestamp: 1, txnId: '' } }, enabled, managed),
      ['DL-702@1'],
    ],
    ['a catalog-managed payload that keeps all rules passes', lines(stamped, enabled, managed), []],
    [
      'DL-701 the older name catalogOwned-preview counts as well',
      lines(INFO, features(['catalogOwned-preview'], ['catalogOwned-preview', 'inCommitTimestamp-preview'])),
      ['DL-603@1', 'DL-702@1'],
    ],
  ])('%s', (_, payload, expected) => {
    expect(errors(payload)).toEqual(expected)
  })
})
