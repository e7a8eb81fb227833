/**
 * Failures of a real MinIO as a client and an operator see them (spec/storage.md 8, spec/http-api.md 6): a problem body
 * that says nothing of the provider, one log line that names the cause, and nothing lost: once the store is right, the
 * same request commits.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { withLimits } from '../../lib/store/limits.ts'
import { scopedMaintenanceStore, type Scope } from '../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import { WRITES } from '../support/crash-windows.ts'
import { s3Error } from '../support/s3-bench.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { openByFetch, openBySdk } from '../support/servers/minio-stores.ts'
import { startMinio, type Minio } from '../support/servers/minio.ts'
import {
  COMMITTED,
  expectHidden,
  failureLine,
  happeningBefore,
  INTERNAL,
  loggedProcess,
  OUTCOME_UNKNOWN,
  UNAVAILABLE,
  type LoggedProcess,
  type Told,
} from '../support/store-failures.ts'
import { useTables, type Table } from '../support/tables.ts'

const without = whyNot('minio')

/** One way in which the store is not there for a process. */
interface Failure {
  readonly failure: string
  readonly answer: Told
  /** The line's code, and its cause. */
  readonly code: string
  readonly cause: RegExp
  readonly is_down?: boolean
  /** The service as this process is told to reach it. */
  reached(minio: Minio, proxy: FaultProxy): Minio | Promise<Minio>
}

/** A connection that is refused, or one that ends before its answer. */
const LOST_CONNECTION =
  /did not answer: (connect ECONNREFUSED|read ECONNRESET|socket hang up|other side closed)/

const FAILURES: readonly Failure[] = [
  {
    failure: 'a wrong secret',
    answer: INTERNAL,
    code: 'denied',
    cause: /403 SignatureDoesNotMatch$/,
    reached: (minio) => ({ ...minio, keys: { ...minio.keys, secretAccessKey: 'not-the-secret' } }),
  },
  {
    failure: 'an access key that nobody has',
    answer: INTERNAL,
    code: 'denied',
    cause: /403 InvalidAccessKeyId$/,
    reached: (minio) => ({ ...minio, keys: { ...minio.keys, accessKeyId: 'nobody' } }),
  },
  {
    failure: 'a bucket that is not there',
    answer: INTERNAL,
    code: 'misconfigured',
    cause: /404 NoSuchBucket$/,
    reached: (minio) => ({ ...minio, bucket: 'no-such-bucket' }),
  },
  {
    failure: 'keys that may only read',
    answer: INTERNAL,
    code: 'denied',
    cause: /403 AccessDenied$/,
    reached: async (minio) => ({
      ...minio,
      keys: await minio.keysWith(allowing('s3:GetObject', 's3:ListBucket')),
    }),
  },
  {
    failure: 'a bucket that was moved to another region',
    answer: INTERNAL,
    code: 'misconfigured',
    cause: /301 PermanentRedirect$/,
    reached(minio, proxy) {
      const answer = s3Error(301, 'PermanentRedirect', { location: minio.endpoint })
      proxy.setPlan(() => ({ fault: 'answer', answer }))
      return { ...minio, endpoint: proxy.origin }
    },
  },
  {
    failure: 'a clock that stays refused',
    answer: INTERNAL,
    code: 'denied',
    cause: /the clock of this machine: 403 RequestTimeTooSkewed$/,
    reached(minio, proxy) {
      proxy.setPlan(() => ({ fault: 'answer', answer: s3Error(403, 'RequestTimeTooSkewed') }))
      return { ...minio, endpoint: proxy.origin }
    },
  },
  {
    failure: 'a store that is down',
    answer: UNAVAILABLE,
    code: 'unavailable',
    cause: /ECONNREFUSED/,
    is_down: true,
    async reached(minio) {
      await minio.kill()
      return minio
    },
  },
]

function allowing(...actions: readonly string[]): object {
  return {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: actions, Resource: ['arn:aws:s3:::*'] }],
  }
}

describe.skipIf(without !== null).each([
  { name: 'the S3 SDK', open: openBySdk },
  { name: 'the S3 fetch driver', open: openByFetch },
])(`over MinIO by $name ${without ?? ''}`, ({ open }) => {
  let minio: Minio
  let proxy: FaultProxy
  let scope: Scope
  let tables = 0
  beforeAll(async () => {
    minio = await startMinio()
    proxy = await startFaultProxy(minio.endpoint)
  })
  afterAll(async () => {
    await proxy.close()
    await minio.stop()
  })
  const fresh = useTables(() => {
    scope = { tenant: 'test', workspace: String(tables++) }
    return { store: scopedMaintenanceStore(limited(minio), scope), close: () => undefined }
  })

  /** The driver with the limits and repeated reads of production. */
  const limited = (reached: Minio): MaintenanceStore =>
    withLimits(open(reached), { sleep: async () => undefined })

  /** A process that is told to reach MinIO in this way. */
  const processAt = (
    at: Table,
    reached: Minio,
    wrap: (store: MaintenanceStore) => MaintenanceStore = (bare) => bare,
  ): LoggedProcess => loggedProcess(at, wrap(scopedMaintenanceStore(limited(reached), scope)))

  describe.each(FAILURES)('$failure', ({ answer: expected, code, cause, is_down = false, reached }) => {
    test(`a commit is told ${expected.reason}, one line says why, and the same request commits later`, async () => {
      const at = fresh()
      const k = await at.writer('K', -1)
      const before = await at.bucket.all()
      const { service, failures } = processAt(at, await reached(minio, proxy))
      expectHidden(await service.commit(k.call), expected)
      expect(failures()).toEqual([failureLine(code, cause)])
      await restored()
      expect(await at.bucket.all()).toEqual(before)
      expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
      expect(await at.picture(-1)).toEqual(COMMITTED)
    })

    test(`stage is told ${expected.reason}, one line says why`, async () => {
      const at = fresh()
      const { service, failures } = processAt(at, await reached(minio, proxy))
      const path = `/api/v1/delta/tables/${at.table_id}/commits/stage`
      expectHidden(await service.request('POST', path, { payload: '{"commitInfo":{}}\n' }), expected)
      expect(failures()).toEqual([failureLine(code, cause)])
      await restored()
      expect(await at.bucket.all()).toEqual({})
    })

    /** The store is as it should be again. */
    async function restored(): Promise<void> {
      proxy.setPlan(null)
      if (is_down) await minio.start()
    }
  })

  test('a clock that is an hour late is set by what the store says, and the commit goes through (PV-20)', async () => {
    const at = fresh()
    const k = await at.writer('K', -1)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 })
    onTestFinished(() => void vi.useRealTimers())
    const { service, failures } = processAt(at, minio)
    expect(at.told(await service.commit(k.call), -1)).toBe('200 v')
    expect(failures()).toEqual([])
    vi.useRealTimers()
    expect(await at.picture(-1)).toEqual(COMMITTED)
  })

  describe.each(WRITES)('in front of the %s write', (write) => {
    test('MinIO is killed: 503, one line says why, and the same request commits later', async () => {
      const at = fresh()
      const k = await at.writer('K', -1)
      const { service, failures } = processAt(at, minio, happeningBefore(write, minio.kill))
      const answer = await service.commit(k.call)
      await minio.start()
      expectHidden(answer, write === 'reserve' ? UNAVAILABLE : OUTCOME_UNKNOWN)
      expect(failures()).toEqual([failureLine('unavailable', LOST_CONNECTION)])
      expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
      expect(await at.picture(-1)).toEqual(COMMITTED)
    })

    test('the credentials expire: 500, one line says why, and the same request commits later', async () => {
      const at = fresh()
      const k = await at.writer('K', -1)
      const expire = async (): Promise<void> =>
        proxy.setPlan(() => ({ fault: 'answer', answer: s3Error(400, 'ExpiredToken') }))
      const reached = { ...minio, endpoint: proxy.origin }
      const { service, failures } = processAt(at, reached, happeningBefore(write, expire))
      expectHidden(await service.commit(k.call), INTERNAL)
      expect(failures()).toEqual([failureLine('denied', /400 ExpiredToken$/)])
      proxy.setPlan(null)
      expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
      expect(await at.picture(-1)).toEqual(COMMITTED)
    })
  })
})
