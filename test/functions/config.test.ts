import { describe, expect, test } from 'vitest'
import { ConfigError, configFrom, readConfig, type Config } from '../../functions/config.ts'

const TABLE = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'
const OTHER = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c12'

type Variables = Readonly<Record<string, string | undefined>>

/** What a deployment that keeps its bucket elsewhere has to say; the dev posture, so that nothing else is asked for. */
const DEV: Variables = { ARCO_ENVIRONMENT: 'dev', ARCO_API_PUBLIC: 'false' }

function configOf(env: Variables): Config {
  return configFrom(env)
}

function problemsOf(env: Variables): readonly string[] {
  const read = readConfig(env)
  return read.ok ? [] : read.problems
}

describe('without any variable', () => {
  test('a folder on a loopback address, one scope, strict staging: the dev posture', () => {
    expect(configOf({})).toMatchObject({
      bucket: { kind: 'file', dir: '.tidemark' },
      scope: { tenant: 'dev', workspace: 'main' },
      host: '127.0.0.1',
      port: 8787,
      token_format: 'plain',
      if_match_style: 'quoted',
      certified: false,
      resolver: { mode: 'auto' },
      settings: { validation: 'strict', ttl_ms: 300_000, deadline_ms: 60_000 },
      log_format: 'json',
      auth: {
        posture: 'dev',
        user: { mode: 'single-scope', behind_internal: false },
        oidc: null,
        static_digests: [],
        lower_case_ids: false,
      },
    })
  })

  test('variables of others are none of our business, and an empty one is unset', () => {
    const empty = Object.fromEntries(
      ['PORT', 'ARCO_TENANT_ID', 'ARCO_ENVIRONMENT', 'ARCO_JWT_SECRET', 'TIDEMARK_TABLES'].map((name) => [
        name,
        ' ',
      ]),
    )
    const { settings: _a, ...with_others } = configOf({ PATH: '/bin', HOME: '/root', ...empty })
    const { settings: _b, ...without } = configOf({})
    expect(with_others).toEqual(without)
  })
})

describe('each variable', () => {
  test.each<[string, string, Record<string, unknown>]>([
    ['ARCO_STORAGE_BUCKET', 'file:/var/lib/tidemark', { bucket: { kind: 'file', dir: '/var/lib/tidemark' } }],
    ['ARCO_STORAGE_BUCKET', 'file:a folder', { bucket: { kind: 'file', dir: 'a folder' } }],
    ['ARCO_STORAGE_BUCKET', 'memory:', { bucket: { kind: 'memory' } }],
    ['ARCO_STORAGE_BUCKET', 'lake', { bucket: { kind: 'gcs', bucket: 'lake' } }],
    ['ARCO_STORAGE_BUCKET', 'gs://lake', { bucket: { kind: 'gcs', bucket: 'lake' } }],
    ['ARCO_STORAGE_BUCKET', 'gs://lake/', { bucket: { kind: 'gcs', bucket: 'lake' } }],
    ['ARCO_STORAGE_BUCKET', 's3://my.lake-1', { bucket: { kind: 's3', bucket: 'my.lake-1' } }],
    ['ARCO_STORAGE_BUCKET', 'r2:BUCKET', { bucket: { kind: 'r2', binding: 'BUCKET' } }],
    ['ARCO_TENANT_ID', 'acme-1_x', { scope: { tenant: 'acme-1_x', workspace: 'main' } }],
    ['ARCO_WORKSPACE_ID', '0', { scope: { tenant: 'dev', workspace: '0' } }],
    ['ARCO_LOG_FORMAT', 'text', { log_format: 'text' }],
    ['PORT', '0', { port: 0 }],
    ['PORT', '65535', { port: 65_535 }],
    ['ARCO_HTTP_PORT', '9000', { port: 9000 }],
    ['TIDEMARK_HOST', 'localhost', { host: 'localhost' }],
    ['TIDEMARK_HOST', '::1', { host: '::1' }],
    ['TIDEMARK_STORE_CERTIFIED', 'true', { certified: true }],
    ['TIDEMARK_STORE_CERTIFIED', 'false', { certified: false }],
    ['TIDEMARK_STORE_CERTIFIED', 'startup', { certified: 'startup' }],
    ['TIDEMARK_S3_IF_MATCH', 'unquoted', { if_match_style: 'unquoted' }],
    ['TIDEMARK_RESOLVER', 'legacy', { resolver: { mode: 'legacy' } }],
    ['TIDEMARK_RESOLVER', 'catalog', { resolver: { mode: 'catalog' } }],
    ['TIDEMARK_STAGE_VALIDATION', 'opaque', { settings: { validation: 'opaque' } }],
    ['TIDEMARK_TOKEN_FORMAT', 'reference', { token_format: 'reference' }],
  ])('%s=%s', (name, value, expected) => {
    expect(configOf({ ...DEV, [name]: value })).toMatchObject(expected)
  })

  test('PORT comes before ARCO_HTTP_PORT', () => {
    expect(configOf({ PORT: '1', ARCO_HTTP_PORT: '2' }).port).toBe(1)
  })

  test.each([
    ['ARCO_STORAGE_BUCKET', 'file:'],
    ['ARCO_STORAGE_BUCKET', 'memory:x'],
    ['ARCO_STORAGE_BUCKET', 'gs://'],
    ['ARCO_STORAGE_BUCKET', 's3://Lake'],
    ['ARCO_STORAGE_BUCKET', 's3://lake/folder'],
    ['ARCO_STORAGE_BUCKET', 'r2:my-bucket'],
    ['ARCO_STORAGE_BUCKET', 'https://lake.example'],
    ['ARCO_TENANT_ID', 'Acme'],
    ['ARCO_TENANT_ID', 'acme/../rival'],
    ['ARCO_TENANT_ID', 'acme '],
    ['ARCO_TENANT_ID', '.'],
    ['ARCO_WORKSPACE_ID', 'a=b'],
    ['ARCO_WORKSPACE_ID', 'caf\u00e9'],
    ['ARCO_LOG_FORMAT', 'pretty'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '8787x'],
    ['PORT', '0x10'],
    ['PORT', '1e3'],
    ['PORT', ' 80'],
    ['ARCO_HTTP_PORT', 'http'],
    ['TIDEMARK_STORE_CERTIFIED', 'yes'],
    ['TIDEMARK_S3_IF_MATCH', 'single'],
    ['TIDEMARK_RESOLVER', 'auto'],
    ['TIDEMARK_STAGE_VALIDATION', 'off'],
    ['TIDEMARK_TOKEN_FORMAT', 'etag'],
    ['TIDEMARK_ADOPT_TABLES', 'orders'],
    ['TIDEMARK_ADOPT_TABLES', `${TABLE},`],
    ['TIDEMARK_SEAL_TABLES', '**'],
  ])('%s=%j is refused by name', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([
      expect.stringMatching(new RegExp(`^${name}: expected [^\\n]+$`)),
    ])
  })
})

describe('every problem at once', () => {
  test('one line for each wrong variable, whatever else is wrong, and no value of a secret', () => {
    const problems = problemsOf({
      ARCO_STORAGE_BUCKET: 'ftp://lake',
      ARCO_TENANT_ID: 'Acme',
      ARCO_ENVIRONMENT: 'production',
      ARCO_API_PUBLIC: 'true',
      ARCO_DEBUG: 'true',
      ARCO_JWT_SECRET: 'hunter2',
      ARCO_LOG_FORMAT: 'pretty',
      PORT: 'x',
      TIDEMARK_HOST: '0.0.0.0',
      TIDEMARK_RESOLVER: 'static',
      TIDEMARK_TABLES: '[]',
      TIDEMARK_ADOPT_TABLES: 'x',
      TIDEMARK_INTERNAL_TOKEN_SHA256: 'hunter3',
    })
    const named = problems.map((problem) => problem.split(':', 1)[0])
    expect(named).toHaveLength(10)
    expect(new Set(named)).toEqual(
      new Set([
        'ARCO_DEBUG',
        'ARCO_ENVIRONMENT',
        'ARCO_JWT_SECRET',
        'ARCO_LOG_FORMAT',
        'ARCO_STORAGE_BUCKET',
        'ARCO_TENANT_ID',
        'PORT',
        'TIDEMARK_ADOPT_TABLES',
        'TIDEMARK_INTERNAL_TOKEN_SHA256',
        'TIDEMARK_TABLES',
      ]),
    )
    expect(problems.join('\n')).not.toMatch(/hunter/)
  })

  test('as an error it has one line for each', () => {
    const read = (): Config => configFrom({ PORT: 'x', ARCO_LOG_FORMAT: 'pretty' })
    expect(read).toThrow(ConfigError)
    expect(read).toThrow(
      `the configuration is wrong.
  ARCO_LOG_FORMAT: expected json or text
  PORT: expected a port number, 0 to 65535`,
    )
  })
})
describe('TIDEMARK_TABLES', () => {
  const tables = (map: string, more: Variables = {}): Variables => ({
    TIDEMARK_RESOLVER: 'static',
    TIDEMARK_TABLES: map,
    ...more,
  })

  test('is a map from table to location; ids are canonical afterwards', () => {
    const { resolver } = configOf(
      tables(JSON.stringify({ [TABLE.toUpperCase()]: 'warehouse/t', [OTHER]: null })),
    )
    expect(resolver).toEqual({
      mode: 'static',
      tables: new Map([
        [TABLE, 'warehouse/t'],
        [OTHER, null],
      ]),
    })
  })

  test.each([
    ['not JSON', '{'],
    ['an array', '[]'],
    ['null', 'null'],
    ['a location that is a number', `{"${TABLE}":1}`],
    ['nothing at all', ''],
    ['the same id twice', `{"${TABLE}":"a","${TABLE}":"b"}`],
  ])('%s is refused', (_name, map) => {
    expect(problemsOf(tables(map))).toEqual([
      'TIDEMARK_TABLES: expected a JSON object of table id to location or null',
    ])
  })

  test.each(['delta/coordinator', '../x', 's3://lake/x', 'tenant=rival/workspace=main/x', 'x//y', ''])(
    'the location %j is refused: a wrong one is an error at the start (storage.md 3.4)',
    (location) => {
      expect(problemsOf(tables(JSON.stringify({ [TABLE]: location })))).toEqual([
        `TIDEMARK_TABLES: the location of ${TABLE} is not usable (spec/storage.md 3.4)`,
      ])
    },
  )

  test('one table in two spellings is refused: its log would be where the last one says', () => {
    expect(problemsOf(tables(JSON.stringify({ [TABLE]: 'a', [TABLE.toUpperCase()]: 'b' })))).toEqual([
      `TIDEMARK_TABLES: ${TABLE} is there twice`,
    ])
  })

  test('every wrong entry has its line', () => {
    expect(
      problemsOf(tables(JSON.stringify({ orders: null, [TABLE]: '../x', [OTHER]: 'fine' }))),
    ).toHaveLength(2)
  })

  test('is refused with another resolver, which would ignore it', () => {
    expect(problemsOf({ TIDEMARK_TABLES: '{}' })).toEqual([
      'TIDEMARK_TABLES: set only with TIDEMARK_RESOLVER=static',
    ])
  })
})

describe('policies of a table, coordinator.md 6.5', () => {
  test.each([
    ['TIDEMARK_ADOPT_TABLES', 'unknownOwner', 'adopt', 'refuse'],
    ['TIDEMARK_SEAL_TABLES', 'lostPayload', 'seal', 'abandon'],
  ] as const)('%s: the listed tables, in any spelling, or all', (name, policy, chosen, usual) => {
    const listed = configOf({ [name]: `${TABLE.toUpperCase()}, ${OTHER}` }).settings[policy]
    expect([TABLE, OTHER, '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c13'].map((id) => listed(id))).toEqual([
      chosen,
      chosen,
      usual,
    ])
    expect(configOf({ [name]: '*' }).settings[policy](TABLE)).toBe(chosen)
    expect(configOf({}).settings[policy](TABLE)).toBe(usual)
  })
})
