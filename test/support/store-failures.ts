/**
 * What a client and an operator see of a store that fails (spec/storage.md 8, spec/http-api.md 6): a problem body that says
 * nothing of the provider, and one log line that names the cause.
 */
import { expect } from 'vitest'
import { createLog } from '../../functions/logging.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { writeOf, type Write } from './crash-windows.ts'
import type { Answer, TestService } from './service.ts'
import type { Picture, Table } from './tables.ts'

/** The status and the reason that a client is told. */
export interface Told {
  readonly status: number
  readonly reason: string
}

/** What a failure is told as: nothing that a client can mend, a store that is away, a write that may have landed. */
export const INTERNAL: Told = { status: 500, reason: 'internal' }
export const UNAVAILABLE: Told = { status: 503, reason: 'storage_unavailable' }
export const OUTCOME_UNKNOWN: Told = { status: 503, reason: 'outcome_unknown' }

/** The bucket after the same request was sent again to a store that is right: nothing was lost. */
export const COMMITTED: Picture = { state: '{v, null}', log: ['K@v'], markers: ['K@v'], staged: ['K'] }

/** What a provider says, or where it is, and what no client may read. */
const PROVIDER_TEXT =
  /denied|signature|credential|AccessKey|NoSuch|Expired|Redirect|ECONN|127\.0\.0\.1|minio|xml|googleapis|forbidden|authError|invalid_grant|R2|\(\d{5}\)|fetch failed|tidemark-root|no-such-bucket/i

/** The client is told this much and no more. */
export function expectHidden({ status, body }: Answer, expected: Told): void {
  expect({ status, reason: body.reason }).toEqual(expected)
  const { request_id: _id, type: _type, ...shown } = body
  expect(JSON.stringify(shown)).not.toMatch(PROVIDER_TEXT)
}

/** A process of its own, and what it logged of failures while it answered one request. */
export interface LoggedProcess {
  readonly service: TestService
  failures(): readonly Readonly<Record<string, unknown>>[]
}

/** Start one over a store of its own. */
export function loggedProcess(at: Table, store: MaintenanceStore): LoggedProcess {
  const lines: Record<string, unknown>[] = []
  const log = createLog({ format: 'json', write: (line) => void lines.push(JSON.parse(line)) })
  return {
    service: at.process({ log, wrap: () => store }),
    failures() {
      expect(lines.filter(({ message }) => message === 'request')).toHaveLength(1)
      return lines.filter(({ message }) => message === 'failure')
    },
  }
}

/** The one line that an operator finds. */
export function failureLine(code: string, cause: RegExp): object {
  return expect.objectContaining({
    message: 'failure',
    level: 'ERROR',
    code,
    cause: expect.stringMatching(cause),
  })
}

/** Something happens in front of the first of one of the four writes. */
export function happeningBefore(
  write: Write,
  happens: () => Promise<void>,
): (store: MaintenanceStore) => MaintenanceStore {
  return (store) => {
    let is_over = false
    return {
      ...store,
      async put(key, bytes, ...rest) {
        if (!is_over && writeOf(key, bytes) === write) {
          is_over = true
          await happens()
        }
        return store.put(key, bytes, ...rest)
      },
    }
  }
}
