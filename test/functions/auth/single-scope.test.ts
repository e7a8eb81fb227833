/** User modes without a user's token: headers in debugging, and one configured scope (spec/http-api.md 3.1, 3.3). */
import { describe, expect, test } from 'vitest'
import type { Authentication, Authenticator } from '../../../functions/auth.ts'
import { authenticatorsOf } from '../../../functions/auth/configured.ts'
import { configFrom } from '../../../functions/config.ts'
import { bearer, digestOf } from '../../support/tokens.ts'

async function userOf(env: Readonly<Record<string, string>>): Promise<Authenticator> {
  const { auth, scope } = configFrom(env)
  return (await authenticatorsOf(auth, scope)).user
}

describe('headers', () => {
  const DEBUG = { ARCO_ENVIRONMENT: 'dev', ARCO_API_PUBLIC: 'false', ARCO_DEBUG: 'true' }
  const NO_TENANT: Authentication = {
    ok: false,
    problem: { reason: 'unauthorized', detail: 'missing X-Tenant-Id header (debug mode)' },
  }

  test.each<[Readonly<Record<string, string>>, unknown]>([
    [{}, NO_TENANT],
    [{ 'x-workspace-id': 'analytics' }, NO_TENANT],
    [
      { 'x-tenant-id': 'acme' },
      {
        ok: false,
        problem: { reason: 'unauthorized', detail: 'missing X-Workspace-Id header (debug mode)' },
      },
    ],
    [
      { 'x-tenant-id': 'acme', 'x-workspace-id': 'analytics' },
      {
        ok: true,
        principal: { scope: { tenant: 'acme', workspace: 'analytics' }, user: null, groups: [], role: 'dev' },
      },
    ],
    [
      { 'x-tenant-id': 'a', 'x-workspace-id': 'b', 'x-user-id': 'ada', 'x-groups': 'x, y' },
      {
        ok: true,
        principal: { scope: { tenant: 'a', workspace: 'b' }, user: 'ada', groups: ['x', 'y'], role: 'dev' },
      },
    ],
    ...['Acme', 'a/b', '../b', 'a,b', ''].map((tenant): [Readonly<Record<string, string>>, unknown] => [
      { 'x-tenant-id': tenant, 'x-workspace-id': 'analytics' },
      {
        ok: false,
        problem: { reason: 'bad_request', detail: 'a tenant or workspace id has only a-z, 0-9, - and _' },
      },
    ]),
  ])('%j', async (headers, expected) => {
    const user = await userOf(DEBUG)
    expect(await user(new Headers(headers))).toEqual(expected)
  })

  test('S-3: lower-cased where it is configured, and the log is told', async () => {
    const user = await userOf({ ...DEBUG, TIDEMARK_SCOPE_ID_CASE: 'lower' })
    expect(await user(new Headers({ 'x-tenant-id': 'ACME', 'x-workspace-id': 'analytics' }))).toMatchObject({
      ok: true,
      principal: { scope: { tenant: 'acme' } },
      warning: 'tenant or workspace id was lower-cased',
    })
  })
})

describe('single-scope', () => {
  const SCOPE = { ARCO_TENANT_ID: 'acme', ARCO_WORKSPACE_ID: 'analytics' }
  const scope = { tenant: 'acme', workspace: 'analytics' }

  test('dev: open, a bearer header is accepted and ignored', async () => {
    const user = await userOf(SCOPE)
    const open = { ok: true, principal: { scope, user: null, groups: [], role: 'dev' } }
    expect(await user(new Headers())).toEqual(open)
    expect(await user(bearer('anything'))).toEqual(open)
  })

  test('private: the internal token opens the Delta routes as a user, nothing else does', async () => {
    const user = await userOf({
      ...SCOPE,
      ARCO_ENVIRONMENT: 'prod',
      ARCO_API_PUBLIC: 'false',
      TIDEMARK_AUTH_MODE: 'single-scope',
      TIDEMARK_INTERNAL_TOKEN_SHA256: await digestOf('service-token'),
    })
    expect(await user(bearer('service-token'))).toEqual({
      ok: true,
      principal: { scope, user: null, groups: [], role: 'user' },
    })
    expect(await user(new Headers())).toMatchObject({ ok: false, problem: { reason: 'missing_auth' } })
    expect(await user(bearer('anything'))).toMatchObject({ ok: false, problem: { reason: 'invalid_token' } })
  })
})
