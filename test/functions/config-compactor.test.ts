import { describe, expect, test } from 'vitest'
import { DEFAULT_COMPACTOR_SETTINGS } from '../../functions/compactor-settings.ts'
import { readConfig } from '../../functions/config.ts'

type Variables = Readonly<Record<string, string>>

function settingsOf(env: Variables): unknown {
  const read = readConfig(env)
  return read.ok ? read.config.compactor : read.problems
}

describe('each variable of the compactor, rebuild.md 1', () => {
  test('without any: the defaults of the specification', () => {
    expect(settingsOf({})).toEqual(DEFAULT_COMPACTOR_SETTINGS)
    expect(DEFAULT_COMPACTOR_SETTINGS).toMatchObject({
      lock_scope: 'scoped',
      requires_fencing: false,
      deadline_ms: 300_000,
      events_budget: null,
      projection: { tombstones: 'follow', terminal_run_days: 90, lock_floor: 0, lease_ms: 30_000 },
    })
  })

  test.each<[string, string, object]>([
    [
      'ARCO_TENANT_SECRET_B64',
      'c2VjcmV0',
      { projection: { tenant_secret: new TextEncoder().encode('secret') } },
    ],
    ['ARCO_TENANT_SECRET_B64', ' /+A= ', { projection: { tenant_secret: new Uint8Array([0xff, 0xe0]) } }],
    ['ARCO_ORCH_DELTA_TOMBSTONES', ' Emit ', { projection: { tombstones: 'emit' } }],
    ['ARCO_ORCH_DELTA_TOMBSTONES', 'on', { projection: { tombstones: 'emit' } }],
    ['ARCO_ORCH_DELTA_TOMBSTONES', '1', { projection: { tombstones: 'emit' } }],
    ['ARCO_ORCH_DELTA_TOMBSTONES', 'understand', { projection: { tombstones: 'understand' } }],
    ['ARCO_ORCH_DELTA_TOMBSTONES', 'off', { projection: { tombstones: 'understand' } }],
    ['ARCO_ORCH_TERMINAL_RUN_RETENTION_DAYS', ' 30 ', { projection: { terminal_run_days: 30 } }],
    ['ARCO_ORCH_TERMINAL_RUN_RETENTION_DAYS', '0', { projection: { terminal_run_days: 0 } }],
    ['TIDEMARK_LOCK_SCOPE', 'bucket-root', { lock_scope: 'bucket-root' }],
    ['TIDEMARK_LOCK_FLOOR', '9007199254740991', { projection: { lock_floor: 9007199254740991 } }],
    ['TIDEMARK_REQUIRE_FENCED_REQUESTS', 'yes', { requires_fencing: true }],
    ['TIDEMARK_COMPACTOR_DEADLINE_SECS', '900', { deadline_ms: 900_000 }],
    ['TIDEMARK_REBUILD_CHUNK_EVENTS', '500', { projection: { chunk_events: 500 } }],
    ['TIDEMARK_REBUILD_CALL_EVENTS', '500', { events_budget: 500 }],
  ])('%s=%s', (name, value, expected) => {
    expect(settingsOf({ [name]: value })).toMatchObject(expected)
  })

  test.each([
    ['ARCO_TENANT_SECRET_B64', 'no base64!', 'expected base64 with its padding'],
    ['ARCO_TENANT_SECRET_B64', 'c2VjcmV0cw', 'expected base64 with its padding'],
    ['ARCO_REQUIRE_TENANT_SECRET', 'perhaps', 'expected true or false'],
    ['ARCO_ORCH_DELTA_TOMBSTONES', 'maybe', 'expected emit or understand'],
    ['ARCO_ORCH_TERMINAL_RUN_RETENTION_DAYS', '-1', 'expected an integer from 0 to 36500'],
    ['ARCO_ORCH_TERMINAL_RUN_RETENTION_DAYS', '1.5', 'expected an integer from 0 to 36500'],
    ['TIDEMARK_LOCK_SCOPE', 'root', 'expected scoped or bucket-root'],
    ['TIDEMARK_LOCK_FLOOR', '9007199254740992', 'expected an integer from 0 to 9007199254740991'],
    ['TIDEMARK_COMPACTOR_DEADLINE_SECS', '0', 'expected an integer from 1 to 86400'],
    ['TIDEMARK_REBUILD_CHUNK_EVENTS', '100001', 'expected an integer from 1 to 100000'],
    ['TIDEMARK_REBUILD_CALL_EVENTS', 'all', 'expected an integer from 1 to 1000000'],
  ])('%s=%s does not start', (name, value, expected) => {
    expect(settingsOf({ [name]: value })).toEqual([`${name}: ${expected}`])
  })

  test('ARCO_REQUIRE_TENANT_SECRET asks for a secret', () => {
    const required = { ARCO_REQUIRE_TENANT_SECRET: 'true' }
    expect(settingsOf(required)).toEqual(['ARCO_TENANT_SECRET_B64: required with ARCO_REQUIRE_TENANT_SECRET'])
    expect(settingsOf({ ...required, ARCO_TENANT_SECRET_B64: 'c2VjcmV0' })).toMatchObject({
      deadline_ms: 300_000,
    })
  })

  test('a secret that is no base64 is said once', () => {
    const wrong = { ARCO_REQUIRE_TENANT_SECRET: 'true', ARCO_TENANT_SECRET_B64: '?' }
    expect(settingsOf(wrong)).toEqual(['ARCO_TENANT_SECRET_B64: expected base64 with its padding'])
  })
})
