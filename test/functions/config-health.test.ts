/** Each variable of the health check, and what contradicts itself. */
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../functions/config.ts'
import { DEFAULT_HEALTH_SETTINGS } from '../../functions/health-settings.ts'

type Variables = Readonly<Record<string, string>>

function healthOf(env: Variables): unknown {
  const read = readConfig(env)
  return read.ok ? read.config.health : read.problems
}

const SECRET = 'x'.repeat(32)

test('without any: nothing runs by itself, nothing recovers, nobody is told but the log', () => {
  expect(healthOf({})).toEqual({
    ...DEFAULT_HEALTH_SETTINGS,
    webhook: null,
    interval_secs: null,
    recovers: false,
    certified_at_ms: null,
  })
})

test.each<[string, string, object]>([
  ['TIDEMARK_HEALTH_INTERVAL_SECS', '300', { interval_secs: 300 }],
  ['TIDEMARK_HEALTH_RECOVER', 'yes', { recovers: true }],
  ['TIDEMARK_HEALTH_LAG_SECS', '60', { limits: { lag_ms: 60_000 } }],
  ['TIDEMARK_HEALTH_LOCK_SECS', '60', { limits: { lock_held_ms: 60_000 } }],
  ['TIDEMARK_HEALTH_CERTIFICATION_DAYS', '1', { limits: { certification_ms: 86_400_000 } }],
  ['TIDEMARK_STORE_CERTIFIED_AT', '2026-02-21', { certified_at_ms: Date.UTC(2026, 1, 21) }],
])('%s=%s', (name, value, expected) => {
  expect(healthOf({ [name]: value })).toMatchObject(expected)
})

describe('the webhook', () => {
  const withUrl = (url: string): unknown =>
    healthOf({ TIDEMARK_HEALTH_WEBHOOK_URL: url, TIDEMARK_HEALTH_WEBHOOK_SECRET: SECRET })

  test.each(['https://hooks.example/x?y=1', 'http://127.0.0.1:9/x', 'http://localhost/', 'http://[::1]:9/'])(
    'may be %s',
    (url) => {
      expect(withUrl(url)).toMatchObject({ webhook: { url, secret: SECRET } })
    },
  )

  test.each([
    'http://hooks.example/',
    'http://127.0.0.1.example/',
    'http://localhost.example/',
    'ftp://127.0.0.1/',
    'https://user:pass@hooks.example/',
    'hooks.example',
  ])('may not be %s', (url) => {
    expect(withUrl(url)).toEqual([
      'TIDEMARK_HEALTH_WEBHOOK_URL: expected an https URL without a user; http only to a loopback address',
    ])
  })

  test.each<[Variables, string]>([
    [
      { TIDEMARK_HEALTH_WEBHOOK_URL: 'https://hooks.example/' },
      'TIDEMARK_HEALTH_WEBHOOK_SECRET: required with TIDEMARK_HEALTH_WEBHOOK_URL',
    ],
    [
      { TIDEMARK_HEALTH_WEBHOOK_SECRET: SECRET },
      'TIDEMARK_HEALTH_WEBHOOK_URL: required with TIDEMARK_HEALTH_WEBHOOK_SECRET',
    ],
    [
      { TIDEMARK_HEALTH_WEBHOOK_URL: 'https://hooks.example/', TIDEMARK_HEALTH_WEBHOOK_SECRET: 'short' },
      'TIDEMARK_HEALTH_WEBHOOK_SECRET: expected at least 32 characters',
    ],
    [
      { TIDEMARK_HEALTH_INTERVAL_SECS: '0' },
      'TIDEMARK_HEALTH_INTERVAL_SECS: expected an integer from 1 to 86400',
    ],
    [{ TIDEMARK_HEALTH_RECOVER: 'maybe' }, 'TIDEMARK_HEALTH_RECOVER: expected true or false'],
    [{ TIDEMARK_STORE_CERTIFIED_AT: 'today' }, 'TIDEMARK_STORE_CERTIFIED_AT: expected a date, YYYY-MM-DD'],
    [
      { TIDEMARK_STORE_CERTIFIED_AT: '2026-13-01' },
      'TIDEMARK_STORE_CERTIFIED_AT: expected a date, YYYY-MM-DD',
    ],
  ])('%j does not start', (env, problem) => {
    expect(healthOf(env)).toEqual([problem])
  })
})
