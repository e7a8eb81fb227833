/**
 * Failures of Cloud Storage as a client and an operator see them (spec/storage.md 8, spec/http-api.md 6): a problem body
 * that says nothing of the provider, one log line that names the cause, and nothing lost: once the store is right, the same
 * request commits.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { gcsFetchStore } from '../../lib/store/gcs-fetch.ts'
import { gcsStore } from '../../lib/store/gcs.ts'
import { workloadIdentityToken } from '../../lib/store/gcs-token.ts'
import { withLimits } from '../../lib/store/limits.ts'
import { scopedMaintenanceStore, type Scope } from '../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { WRITES } from '../support/crash-windows.ts'
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import { gcsError, GCS_DIALECT } from '../support/gcs-bench.ts'
import { startGcsFake, type GcsFake } from '../support/servers/gcs-fake.ts'
import {
  COMMITTED,
  expectHidden,
  failureLine,
  happeningBefore,
  INTERNAL,
  loggedProcess,
  UNAVAILABLE,
  type Told,
} from '../support/store-failures.ts'
import { useTables } from '../support/tables.ts'
import { startTokenEndpoint, type TokenAnswer, type TokenEndpoint } from '../support/token-endpoint.ts'

/** The bucket as one process is told to reach it, by the tokens of the endpoint. */
interface Reached {
  readonly bucket: string
  readonly endpoint: string
  readonly tokens: TokenEndpoint
}

type OpenGcs = (reached: Reached) => MaintenanceStore

const openBySdk: OpenGcs = ({ bucket, endpoint, tokens }) =>
  gcsStore({ bucket, endpoint, key_file: tokens.key_file })

const openByFetch: OpenGcs = ({ bucket, endpoint, tokens }) =>
  gcsFetchStore({
    bucket,
    endpoint,
    token: workloadIdentityToken({
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: tokens.url,
      subjectToken: async () => 'the token of another cloud',
    }),
  })

/** What may be changed about the world before a request. */
interface World {
  readonly fake: GcsFake
  readonly proxy: FaultProxy
  /** What the token endpoint answers from now on. */
  setTokens(answer: TokenAnswer): void
  /** Tokens that the store does not take. */
  readonly refused: Set<string>
}

/** One way in which the store is not there for a process. */
interface Failure {
  readonly failure: string
  readonly answer: Told
  /** The line's code, and its cause. */
  readonly code: string
  readonly cause: RegExp
  reached(world: World): { readonly bucket?: string }
}

const issued = (access_token: string): TokenAnswer => ({
  status: 200,
  body: {
    access_token,
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    expires_in: 3600,
    token_type: 'Bearer',
  },
})

/** What Google says of a grant that it does not take, one whose clock is wrong among them. */
const INVALID_GRANT: TokenAnswer = {
  status: 400,
  body: { error: 'invalid_grant', error_description: 'Invalid JWT: iat is in the future' },
}

const FAILURES: readonly Failure[] = [
  {
    failure: 'a token that the store does not take',
    answer: INTERNAL,
    code: 'denied',
    cause: /the store refused the credentials: 401\b/,
    reached({ setTokens }) {
      setTokens(issued('wrong'))
      return {}
    },
  },
  {
    failure: 'a clock or a key that the source of tokens does not take',
    answer: INTERNAL,
    code: 'denied',
    cause: /(no usable credentials: .*invalid_grant|the token exchange refused with 400)/,
    reached({ setTokens }) {
      setTokens(INVALID_GRANT)
      return {}
    },
  },
  {
    failure: 'a bucket that is not there',
    answer: INTERNAL,
    code: 'misconfigured',
    cause: /404 noSuchBucket$/,
    reached: () => ({ bucket: 'no-such-bucket' }),
  },
  {
    failure: 'an account that may only read',
    answer: INTERNAL,
    code: 'denied',
    cause: /403 forbidden$/,
    reached({ fake }) {
      fake.setPlan(({ kind }) =>
        kind === 'upload' ? { fault: 'error', status: 403, reason: 'forbidden' } : undefined,
      )
      return {}
    },
  },
  {
    failure: 'an address that redirects',
    answer: INTERNAL,
    code: 'misconfigured',
    cause: /redirects to another address|30[127]/,
    reached({ proxy, fake }) {
      proxy.setPlan(({ target }) => ({
        fault: 'answer',
        answer: { status: 307, headers: { location: `${fake.endpoint}${target}` } },
      }))
      return {}
    },
  },
  {
    failure: 'a store that does not answer',
    answer: UNAVAILABLE,
    code: 'unavailable',
    cause: /did not answer/,
    reached({ proxy }) {
      proxy.setPlan(() => ({ fault: 'reset' }))
      return {}
    },
  },
]

/** The SDK repeats its question for ten seconds before it gives up; the answer is the same. */
const NO_TOKENS: Failure = {
  failure: 'a source of tokens that is away',
  answer: UNAVAILABLE,
  code: 'unavailable',
  cause: /the token exchange answered 503/,
  reached({ setTokens }) {
    setTokens({ status: 503, body: {} })
    return {}
  },
}

describe.each([
  { name: 'the SDK', open: openBySdk, rows: FAILURES },
  { name: 'the fetch driver', open: openByFetch, rows: [...FAILURES, NO_TOKENS] },
])('over Cloud Storage by $name', ({ open, rows }) => {
  const refused = new Set<string>()
  let token_answer: TokenAnswer = issued('good')
  let fake: GcsFake
  let proxy: FaultProxy
  let tokens: TokenEndpoint
  let scope: Scope
  let tables = 0

  beforeAll(async () => {
    fake = await startGcsFake({
      accepts: (authorization = '') => {
        const token = authorization.replace('Bearer ', '')
        return token.startsWith('good') && !refused.has(token)
      },
    })
    proxy = await startFaultProxy(fake.endpoint)
    tokens = await startTokenEndpoint(() => token_answer)
  })
  afterAll(async () => {
    await proxy.close()
    await tokens.close()
    await fake.stop()
  })
  const restore = (): void => {
    refused.clear()
    token_answer = issued('good')
    proxy.setPlan(null)
    fake.setPlan(null)
  }
  afterEach(restore)

  const limited = (bucket: string, endpoint: string): MaintenanceStore =>
    withLimits(open({ bucket, endpoint, tokens }), { sleep: async () => undefined })

  /** An operator's own access, which nothing here takes away. */
  const operator = (): MaintenanceStore =>
    gcsFetchStore({ bucket: fake.bucket, endpoint: fake.endpoint, token: async () => 'good-operator' })

  const fresh = useTables(() => {
    scope = { tenant: 'test', workspace: String(tables++) }
    return { store: scopedMaintenanceStore(withLimits(operator()), scope), close: () => undefined }
  })

  const world = (): World => ({ fake, proxy, refused, setTokens: (next) => void (token_answer = next) })

  describe.each(rows)('$failure', ({ answer: expected, code, cause, reached }) => {
    test(`a commit is told ${expected.reason}, one line says why, and the same request commits later`, async () => {
      const at = fresh()
      const k = await at.writer('K', -1)
      const before = await at.bucket.all()
      const { bucket = fake.bucket } = reached(world())
      const { service, failures } = loggedProcess(
        at,
        scopedMaintenanceStore(limited(bucket, proxy.origin), scope),
      )
      expectHidden(await service.commit(k.call), expected)
      expect(failures()).toEqual([failureLine(code, cause)])
      restore()
      expect(await at.bucket.all()).toEqual(before)
      expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
      expect(await at.picture(-1)).toEqual(COMMITTED)
    })
  })

  describe.each(WRITES)('in front of the %s write', (write) => {
    const started = async (
      happens: () => Promise<void>,
    ): Promise<{
      readonly at: ReturnType<typeof fresh>
      readonly k: Awaited<ReturnType<ReturnType<typeof fresh>['writer']>>
      readonly process: ReturnType<typeof loggedProcess>
    }> => {
      const at = fresh()
      const k = await at.writer('K', -1)
      const store = scopedMaintenanceStore(limited(fake.bucket, proxy.origin), scope)
      return { at, k, process: loggedProcess(at, happeningBefore(write, happens)(store)) }
    }

    test('the token expires: it is renewed, and nobody notices (PV-20)', async () => {
      const { at, k, process } = await started(async () => {
        refused.add('good')
        token_answer = issued('good-again')
      })
      expect(at.told(await process.service.commit(k.call), -1)).toBe('200 v')
      expect(process.failures()).toEqual([])
      restore()
      expect(await at.picture(-1)).toEqual(COMMITTED)
    })

    test('the token expires and no other is issued: 500, one line says why, and the same request commits later', async () => {
      const { at, k, process } = await started(async () => {
        refused.add('good')
        token_answer = INVALID_GRANT
      })
      expectHidden(await process.service.commit(k.call), INTERNAL)
      expect(process.failures()).toEqual([
        failureLine('denied', /invalid_grant|the token exchange refused with 400/),
      ])
      restore()
      expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
      expect(await at.picture(-1)).toEqual(COMMITTED)
    })

    test('the rights are taken away: 500, one line says why, and the same request commits later', async () => {
      const { at, k, process } = await started(async () =>
        proxy.setPlan((request) =>
          GCS_DIALECT.isWrite(request) ? { fault: 'answer', answer: gcsError(403, 'forbidden') } : undefined,
        ),
      )
      expectHidden(await process.service.commit(k.call), INTERNAL)
      expect(process.failures()).toEqual([failureLine('denied', /403 forbidden$/)])
      restore()
      expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
      expect(await at.picture(-1)).toEqual(COMMITTED)
    })
  })
})
