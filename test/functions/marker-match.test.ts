/** Is it this request's marker, is it this request's reservation? Spec/coordinator.md 6.3.1 and 6.3.2, row by row. */
import { describe, expect, test } from 'vitest'
import { arcoInflight, arcoMarker, fullInflight, fullMarker } from '../support/crash-windows.ts'
import { freshId, type CommitCall } from '../support/service.ts'
import { STORES } from '../support/stores.ts'
import { legacyHashOf, logKey, useTables, waitUntil, type Table, type Writer } from '../support/tables.ts'

/** One version is there before: `n` is 0, `v` is 1. */
const n = 0
const v = 1

/** What lies at the staged path when the request comes. */
type Staged = 'as named' | 'same bytes, other token' | 'other bytes, other token' | 'gone'
/** What the marker knows. */
type Marker = 'full' | 'six members' | 'legacy hash' | 'no payload hash'
type Log = 'there' | 'gone'

interface Row {
  readonly marker: Marker
  readonly staged: Staged
  readonly log: Log
  readonly same: string
  /** The same key with another `read_version`, or another `staged_path`. */
  readonly other: string
}

const YES = '200 v'
const NO = '409 key_reuse'
const WHO_KNOWS = '409 outcome_unverifiable'

const ROWS: readonly Row[] = [
  { marker: 'legacy hash', staged: 'as named', log: 'there', same: YES, other: NO },
  { marker: 'legacy hash', staged: 'gone', log: 'gone', same: YES, other: WHO_KNOWS },
  { marker: 'full', staged: 'as named', log: 'there', same: YES, other: NO },
  { marker: 'six members', staged: 'as named', log: 'gone', same: YES, other: NO },
  { marker: 'full', staged: 'gone', log: 'there', same: YES, other: NO },
  { marker: 'full', staged: 'gone', log: 'gone', same: YES, other: NO },
  { marker: 'full', staged: 'same bytes, other token', log: 'there', same: YES, other: NO },
  { marker: 'full', staged: 'other bytes, other token', log: 'there', same: YES, other: NO },
  { marker: 'six members', staged: 'gone', log: 'there', same: YES, other: NO },
  { marker: 'six members', staged: 'other bytes, other token', log: 'there', same: YES, other: NO },
  { marker: 'six members', staged: 'gone', log: 'gone', same: WHO_KNOWS, other: WHO_KNOWS },
  { marker: 'no payload hash', staged: 'gone', log: 'gone', same: YES, other: WHO_KNOWS },
]

function markerText(at: Table, k: Writer, marker: Marker): string {
  const { payload_sha256: _payload_sha256, ...without_payload } = fullMarker(at, k)
  switch (marker) {
    case 'full':
      return JSON.stringify(fullMarker(at, k))
    case 'six members':
      return JSON.stringify(arcoMarker(at, k))
    case 'legacy hash':
      return JSON.stringify({ ...arcoMarker(at, k), request_hash: legacyHashOf(k) })
    case 'no payload hash':
      return JSON.stringify(without_payload)
  }
}

async function stagedAs(at: Table, { call, payload }: Writer, staged: Staged): Promise<void> {
  if (staged === 'as named') return
  await at.bucket.remove(call.staged_path)
  if (staged === 'same bytes, other token') await at.bucket.write(call.staged_path, payload)
  if (staged === 'other bytes, other token') await at.bucket.write(call.staged_path, '{"commitInfo":{}}\n')
}

describe.each(STORES)('coordinator.md 6.3 on $name', ({ make }) => {
  const fresh = useTables(make)

  describe('6.3.1 marker match', () => {
    for (const { marker, staged, log, same, other } of ROWS) {
      test(`marker ${marker}, staged object ${staged}, log entry ${log}: ${same}; another body: ${other}`, async () => {
        const at = fresh()
        await at.history(n)
        const k = await at.writer('K', n)
        if (log === 'there') await at.bucket.write(logKey(at.root, v), k.payload)
        await at.bucket.write(at.keys(k, v).marker, markerText(at, k, marker))
        await at.setState({ latest_version: v, inflight: null, revision: 5 })
        await stagedAs(at, k, staged)
        const before = await at.bucket.all()
        expect(at.told(await at.service.commit(k.call), n)).toBe(same)
        expect(at.told(await at.service.commit({ ...k.call, read_version: v }), n)).toBe(other)
        expect(await at.bucket.all()).toEqual(before)
      })
    }

    test('R20: another staged_path under the same key is another body, also when both payloads are gone', async () => {
      const at = fresh()
      await at.history(n)
      const k = await at.committed('K', n)
      const elsewhere = k.call.staged_path.replace(/[0-9A-Z]{26}/, '01JKTT0G00Z4N2V8R6W1X3Y5ZB')
      await at.bucket.remove(k.call.staged_path)
      const answer = await at.service.commit({ ...k.call, staged_path: elsewhere })
      expect(at.told(answer, n)).toBe('409 key_reuse')
    })

    test('R19: the path comes from the marker, wherever the table is said to be now', async () => {
      const table_id = freshId()
      const roots = (root: string): Map<string, string> => new Map([[table_id, root]])
      const at = fresh({
        table_id,
        root: 'warehouse/old',
        resolver: { mode: 'static', tables: roots('warehouse/old') },
      })
      const k = await at.committed('K', -1)
      const moved = at.process({ resolver: { mode: 'static', tables: roots('warehouse/new') } })
      expect((await moved.commit(k.call)).body.delta_log_path).toBe(logKey('warehouse/old', 0))
    })
  })

  describe('6.3.2 same-request test for its own reservation', () => {
    /** What the reservation of K says differently from the request; before the TTL only the same request goes on. */
    const RESERVATIONS: readonly {
      readonly name: string
      readonly change: (at: Table, k: Writer) => Record<string, unknown>
      readonly request?: (at: Table, call: CommitCall) => Promise<CommitCall>
      readonly told: string
    }[] = [
      { name: 'all equal', change: fullInflight, told: '200 v' },
      { name: 'bare, all equal', change: (_, k) => arcoInflight(k), told: '200 v' },
      {
        name: 'bare, without read_version: version-1',
        change: (_, k) => ({ ...arcoInflight(k), read_version: undefined }),
        told: '200 v',
      },
      {
        name: 'another staged_path',
        change: (at, k) => ({
          ...fullInflight(at, k),
          staged_path: k.call.staged_path.replace(/[0-9A-Z]{26}/, '01JKTT0G00Z4N2V8R6W1X3Y5ZB'),
        }),
        told: '409 reserved',
      },
      {
        name: 'another read_version',
        change: (at, k) => ({ ...fullInflight(at, k), read_version: n - 1 }),
        told: '409 reserved',
      },
      {
        name: 'another payload_sha256, although the token is the same',
        change: (at, k) => ({ ...fullInflight(at, k), payload_sha256: 'ab'.repeat(32) }),
        told: '409 reserved',
      },
      {
        name: 'another staged_version, but the payload_sha256 is that of the staged bytes',
        change: (at, k) => ({ ...fullInflight(at, k), staged_version: 'another' }),
        told: '200 v',
      },
      {
        name: 'bare, another staged_version than the object and the request have: a copy put again by its owner',
        change: (_, k) => ({ ...arcoInflight(k), staged_version: 'another' }),
        told: '200 v',
      },
      {
        name: 'bare, another staged_version than the object, and the request names neither',
        change: (_, k) => ({ ...arcoInflight(k), staged_version: 'another' }),
        request: async (_, call) => ({ ...call, staged_version: 'a third' }),
        told: '409 reserved',
      },
      {
        name: 'bare, its generation is there, and the request names another',
        change: (_, k) => arcoInflight(k),
        request: async (_, call) => ({ ...call, staged_version: 'another' }),
        told: '200 v',
      },
    ]

    for (const { name, change, request = async (_: Table, call: CommitCall) => call, told } of RESERVATIONS) {
      test(`${name}: ${told}`, async () => {
        const at = fresh()
        await at.history(n)
        const k = await at.writer('K', n)
        await at.setState({ latest_version: n, inflight: change(at, k), revision: 5 })
        waitUntil(at.clock, 'before TTL')
        expect(at.told(await at.service.commit(await request(at, k.call)), n)).toBe(told)
        expect((await at.picture(n)).log).toEqual(told === '200 v' ? ['K@v'] : [])
      })
    }
  })
})
