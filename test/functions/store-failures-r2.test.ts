/**
 * Failures of R2's binding as a client and an operator see them (providers.md R-6, spec/http-api.md 6). A binding has no
 * credentials, no address and no clock of ours: what it can say is that somebody took the right away, that the bucket is
 * gone, or that it does not answer.
 */
import { describe, expect, test } from 'vitest'
import { withLimits } from '../../lib/store/limits.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { r2Store, type R2BucketBinding } from '../../lib/store/r2.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { WRITES } from '../support/crash-windows.ts'
import {
  COMMITTED,
  expectHidden,
  failureLine,
  happeningBefore,
  INTERNAL,
  loggedProcess,
  OUTCOME_UNKNOWN,
  UNAVAILABLE,
  type Told,
} from '../support/store-failures.ts'
import { useTables } from '../support/tables.ts'

interface Failure {
  /** What the binding throws from now on, whatever it is asked. */
  readonly says: string
  readonly code: string
  readonly cause: RegExp
  /** What a commit is told when it happens before anything may have been written, and after. */
  readonly at_first: Told
  readonly later: Told
}

const FAILURES: readonly Failure[] = [
  {
    says: 'put: Access denied. (10003)',
    code: 'denied',
    cause: /R2 refused the credentials \(10003\)/,
    at_first: INTERNAL,
    later: INTERNAL,
  },
  {
    says: 'put: Unauthorized. (10002)',
    code: 'denied',
    cause: /R2 refused the credentials \(10002\)/,
    at_first: INTERNAL,
    later: INTERNAL,
  },
  {
    says: 'put: The specified bucket does not exist. (10006)',
    code: 'misconfigured',
    cause: /R2 cannot serve this bucket or request \(10006\)/,
    at_first: INTERNAL,
    later: INTERNAL,
  },
  {
    says: 'put: We encountered an internal error. Please try again. (10001)',
    code: 'unavailable',
    cause: /the store did not answer: .*\(10001\)/,
    at_first: UNAVAILABLE,
    later: OUTCOME_UNKNOWN,
  },
]

const failing = (says: string): MaintenanceStore => {
  const fail = async (): Promise<never> => Promise.reject(new Error(says))
  const binding: R2BucketBinding = { get: fail, head: fail, put: fail, delete: fail, list: fail }
  return withLimits(r2Store(binding), { sleep: async () => undefined })
}

describe.each(FAILURES)('$says', ({ says, code, cause, at_first, later }) => {
  const fresh = useTables(() => ({ store: memoryStore(), close: () => undefined }))

  test(`a commit is told ${at_first.reason}, one line says why, and the same request commits later`, async () => {
    const at = fresh()
    const k = await at.writer('K', -1)
    const before = await at.bucket.all()
    const { service, failures } = loggedProcess(at, failing(says))
    expectHidden(await service.commit(k.call), at_first)
    expect(failures()).toEqual([failureLine(code, cause)])
    expect(await at.bucket.all()).toEqual(before)
    expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
    expect(await at.picture(-1)).toEqual(COMMITTED)
  })

  test.each(WRITES)(`in front of the %s write: nothing is lost, and one line says why`, async (write) => {
    const at = fresh()
    const k = await at.writer('K', -1)
    const broken = failing(says)
    let current = at.store
    const switched: MaintenanceStore = {
      ...at.store,
      get: async (...call) => current.get(...call),
      put: async (...call) => current.put(...call),
    }
    const breaks = happeningBefore(write, async () => void (current = broken))
    const { service, failures } = loggedProcess(at, breaks(switched))
    // A put that had no answer may have landed, the first one of a commit too.
    expectHidden(await service.commit(k.call), later)
    expect(failures()).toEqual([failureLine(code, cause)])
    expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
    expect(await at.picture(-1)).toEqual(COMMITTED)
  })
})
