import { expect, test } from 'vitest'
import { readConfig, type Config } from '../../../functions/config.ts'
import { PRIVATE, SERVICE_TOKEN } from '../../support/deployment.ts'
import { SECRET } from '../../support/tokens.ts'
import { welcome } from '../../../functions/entry/welcome.ts'

const TABLE_ID = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'
const KEY = '0194f5a0-2000-7abc-8def-0123456789ab'

function welcomeOf(env: Readonly<Record<string, string>>): string {
  const read = readConfig(env)
  if (!read.ok) throw new Error(read.problems.join('; '))
  const config: Config = read.config
  return welcome({ port: 8787, table_id: TABLE_ID, key: KEY, config })
}

test('the text says where everything is and what to try, each command on one line', () => {
  expect(welcomeOf({})).toBe(`
Tidemark on http://127.0.0.1:8787 · folder .tidemark · tenant dev, workspace main · dev posture, no credentials
API reference: http://127.0.0.1:8787/docs

Commit to a new table:

curl -sS 'http://127.0.0.1:8787/api/v1/delta/tables/${TABLE_ID}/commits/stage' -H 'Content-Type: application/json' -d '{"payload":"{\\"commitInfo\\":{\\"timestamp\\":1}}\\n"}' > staged.json && jq . staged.json
jq '. + {read_version: -1, idempotency_key: "${KEY}"}' staged.json | curl -sS 'http://127.0.0.1:8787/api/v1/delta/tables/${TABLE_ID}/commits' -H 'Content-Type: application/json' --data @- | jq

Send the second line again: the same answer, for ever. Then look at the table:

curl -sS 'http://127.0.0.1:8787/api/v1/delta/tables/${TABLE_ID}/inspect' | jq

`)
})

test('an IPv6 address is printed as URLs need it', () => {
  const text = welcomeOf({ TIDEMARK_HOST: '::1' })
  expect(text).toContain('Tidemark on http://[::1]:8787 · ')
  expect(text).toContain(`curl -sS 'http://[::1]:8787/api/v1/delta/tables/${TABLE_ID}/inspect'`)
  expect(text).not.toContain('//::1')
})

test('a memory store is said to end with the process', () => {
  expect(welcomeOf({ ARCO_STORAGE_BUCKET: 'memory:' })).toContain(
    ' · memory (gone when this process ends) · ',
  )
})

test.each([
  [{ ARCO_DEBUG: 'true' }, 'dev posture, tenant and workspace in headers'],
  [{ ARCO_JWT_SECRET: 'x'.repeat(32) }, 'dev posture, a bearer token is asked for'],
  [
    {
      ARCO_ENVIRONMENT: 'prod',
      ARCO_API_PUBLIC: 'false',
      ARCO_TENANT_ID: 'dev',
      ARCO_WORKSPACE_ID: 'main',
      TIDEMARK_AUTH_MODE: 'single-scope',
      TIDEMARK_INTERNAL_TOKEN_SHA256: 'ab'.repeat(32),
    },
    'private posture, a bearer token is asked for',
  ],
])('with %j it says what is asked for, and prints no command that would be refused', (env, asked) => {
  expect(welcomeOf(env)).toBe(`
Tidemark on http://127.0.0.1:8787 · folder .tidemark · tenant dev, workspace main · ${asked}
API reference: http://127.0.0.1:8787/docs
`)
})

test('S31: the start says the effective bucket and scope, and no secret', () => {
  const text = welcomeOf({ ...PRIVATE, ARCO_STORAGE_BUCKET: 's3://lake' })
  expect(text).toContain('s3://lake · tenant acme, workspace analytics')
  for (const secret of [SECRET, SERVICE_TOKEN, PRIVATE.TIDEMARK_INTERNAL_TOKEN_SHA256]) {
    expect(text).not.toContain(secret)
  }
})
