/** No state object: a new table, one to adopt, or a loss? Spec/coordinator.md 10, row by row. */
import { describe, expect, test } from 'vitest'
import type { ResolverConfig } from '../../lib/protocol/delta/resolve.ts'
import { CATALOG_PATHS, catalogObjects } from '../support/catalog.ts'
import { arcoInflight, fullMarker, heldBeforeRead } from '../support/crash-windows.ts'
import { freshId, type Answer } from '../support/service.ts'
import { STORES } from '../support/stores.ts'
import { logKey, useTables, type Picture, type Table, type Writer } from '../support/tables.ts'

/** Whether the root is known before the first read, so that the probes ride along with it. */
const RESOLVERS: readonly ResolverConfig['mode'][] = ['legacy', 'catalog']

/** What lies under the root when the request comes; the state object does not exist. */
interface Found {
  readonly checkpoint?: true
  /** Log entries: `K` holds exactly the bytes that the request staged. */
  readonly log: Readonly<Record<number, 'foreign' | 'K'>>
}

interface Row {
  readonly name: string
  readonly read_version: number
  readonly found: Found
  readonly told: string
  /** Members of the refusal; `latest_version` is unknown and therefore absent. */
  readonly members?: Readonly<Record<string, unknown>>
}

const STALE = { told: '409 stale_read_version', members: { state_missing: true, latest_version: undefined } }
const AHEAD = {
  told: '409 read_version_ahead',
  members: { state_missing: true, latest_version: undefined, retryable: true },
}
const WHO_KNOWS = '409 outcome_unverifiable'
const unverifiable = (committed_version: number): Pick<Row, 'told' | 'members'> => ({
  told: WHO_KNOWS,
  members: { committed_version, state_missing: undefined },
})
const LOG_TO_2 = { 0: 'foreign', 1: 'foreign', 2: 'foreign' } as const

const ROWS: readonly Row[] = [
  { name: 'a new table', read_version: -1, found: { log: {} }, told: '200 v' },
  { name: 'a checkpoint', read_version: -1, found: { checkpoint: true, log: {} }, ...STALE },
  { name: 'log 0', read_version: -1, found: { log: { 0: 'foreign' } }, ...STALE },
  { name: 'both', read_version: -1, found: { checkpoint: true, log: { 0: 'foreign' } }, ...STALE },
  {
    name: 'log 0 holds exactly this payload',
    read_version: -1,
    found: { log: { 0: 'K' } },
    ...unverifiable(0),
  },
  { name: 'a table to adopt', read_version: 2, found: { log: LOG_TO_2 }, told: '200 v' },
  {
    name: 'a table to adopt that has a checkpoint',
    read_version: 2,
    found: { checkpoint: true, log: { 2: 'foreign' } },
    told: '200 v',
  },
  { name: 'the log ends below', read_version: 2, found: { log: { 0: 'foreign' } }, ...AHEAD },
  { name: 'nothing at all', read_version: 2, found: { log: {} }, ...AHEAD },
  { name: 'the log goes on', read_version: 2, found: { log: { ...LOG_TO_2, 3: 'foreign' } }, ...STALE },
  {
    name: 'the log goes on with exactly this payload',
    read_version: 2,
    found: { log: { ...LOG_TO_2, 3: 'K' } },
    ...unverifiable(3),
  },
]

async function prepare(at: Table, k: Writer, { checkpoint, log }: Found): Promise<void> {
  if (checkpoint === true) await at.bucket.write(`${at.root}/_delta_log/_last_checkpoint`, '{"version":2}')
  for (const [version, what] of Object.entries(log)) {
    await at.foreign(Number(version), what === 'K' ? k.payload : undefined)
  }
}

describe.each(STORES)('coordinator.md 10 on $name', ({ make }) => {
  const fresh = useTables(make)

  async function tableWith(mode: ResolverConfig['mode']): Promise<Table> {
    const table_id = freshId()
    if (mode !== 'catalog') return fresh({ table_id })
    const at = fresh({ table_id, root: 'warehouse/t', resolver: { mode } })
    const objects = catalogObjects([{ id: table_id, location: 'warehouse/t', format: 'delta' }])
    await at.bucket.write(CATALOG_PATHS.pointer, new TextDecoder().decode(objects.pointer))
    await at.bucket.write(CATALOG_PATHS.manifest, new TextDecoder().decode(objects.manifest))
    await at.bucket.writeBytes(CATALOG_PATHS.tables, objects.tables)
    return at
  }

  describe.each(RESOLVERS)('resolver %s', (mode) => {
    for (const { name, read_version, found, told, members = {} } of ROWS) {
      test(`read_version ${read_version}, ${name}: ${told}`, async () => {
        const at = await tableWith(mode)
        const k = await at.writer('K', read_version)
        await prepare(at, k, found)
        const before = await at.bucket.all()
        // A process of its own: nothing is cached.
        const answer = await at.process().commit(k.call)
        expect(at.told(answer, read_version)).toBe(told)
        for (const [member, value] of Object.entries(members)) expect(answer.body[member]).toEqual(value)
        const { state, log, marker } = at.keys(k, read_version + 1)
        const after = await at.bucket.all()
        const written = Object.keys(after).filter((key) => before[key] !== after[key])
        expect(written.toSorted()).toEqual(told === '200 v' ? [state, log, marker].toSorted() : [])
        // The retry is told the same (CO-17): nothing that was refused is adopted on the way.
        expect(at.told(await at.process().commit(k.call), read_version)).toBe(told)
      })
    }
  })

  describe('the state or the marker appears between the first look and the refusal', () => {
    /** The request has seen no state and history under the root; `appears` happens in front of its `nth` read of `part`. */
    async function refusing(
      read_version: number,
      { part, nth }: { readonly part: string; readonly nth: number },
      appears: (at: Table, k: Writer) => Promise<void>,
    ): Promise<{ at: Table; answer: Answer }> {
      const at = fresh()
      const k = await at.writer('K', read_version)
      for (let version = 0; version <= 3; version++) await at.foreign(version)
      const slow = heldBeforeRead(at, part, nth)
      const answer = slow.service.commit(k.call)
      await slow.reached
      await appears(at, k)
      slow.goOn()
      return { at, answer: await answer }
    }

    test.each([-1, 2])(
      'read_version %i, the state is there by now: the answer is from the state',
      async (r) => {
        const second = { part: '/delta/coordinator/', nth: 2 }
        const { answer } = await refusing(r, second, async (at) =>
          at.setState({ latest_version: 3, inflight: null }),
        )
        expect(answer.body).toMatchObject({ reason: 'stale_read_version', latest_version: 3 })
        expect(answer.body.state_missing).toBeUndefined()
      },
    )

    test.each([-1, 2])('read_version %i, the marker is there by now: 200', async (r) => {
      // With -1 the probes ride along with the first reads; else a marker read goes with them.
      const last = { part: '/delta/idempotency/', nth: r === -1 ? 2 : 3 }
      const { at, answer } = await refusing(r, last, async (table, k) => {
        await table.bucket.write(table.keys(k, r + 1).marker, JSON.stringify(fullMarker(table, k)))
      })
      expect(at.told(answer, r)).toBe('200 v')
    })
  })

  test('two writers adopt a table at once: one creates the state, the other is refused', async () => {
    const at = fresh()
    await at.foreign(0)
    const [a, b] = [await at.writer('A', 0), await at.writer('B', 0)]
    const answers = await Promise.all([at.process().commit(a.call), at.process().commit(b.call)])
    const told = answers.map((answer) => at.told(answer, 0)).toSorted()
    expect(told[0]).toBe('200 v')
    expect(['409 reserved', '409 stale_read_version latest v']).toContain(told[1])
    expect((await at.picture(0)).log).toHaveLength(2)
  })

  test('a corrupt state that an operator deletes is rebuilt from the log by the next writer', async () => {
    const at = fresh()
    await at.history(2)
    const k = await at.writer('K', 2)
    const { state } = at.keys(k, 3)
    await at.bucket.write(state, '{')
    expect(at.told(await at.service.commit(k.call), 2)).toBe('500 state_corrupt')
    await at.bucket.remove(state)
    expect(at.told(await at.service.commit(k.call), 2)).toBe('200 v')
  })

  test('X20: the state is lost after a commit: its replay is 200, and the state starts at that version', async () => {
    const at = fresh()
    const k = await at.committed('K', -1)
    await at.bucket.remove(at.keys(k, 0).state)
    expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
    expect(await at.state()).toMatchObject({ latest_version: 0, inflight: null })
  })

  test('6.6: state and log entry are lost: the replay is 200 and creates no state for a log that is gone', async () => {
    const at = fresh()
    const k = await at.committed('K', -1)
    await at.bucket.remove(at.keys(k, 0).state)
    await at.bucket.remove(logKey(at.root, 0))
    expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
    expect(await at.bucket.read(at.keys(k, 0).state)).toBeNull()
  })

  describe('the marker is lost, the commit is finalized', () => {
    const AFTER: Picture = {
      state: '{v+1, null}',
      log: ['K@v', 'L@v+1'],
      markers: ['K@v', 'L@v+1'],
      staged: ['K', 'L'],
    }

    /** K is committed, L above it, and K's marker is gone. */
    async function lostMarker(): Promise<{ at: Table; k: Writer }> {
      const at = fresh()
      const k = await at.committed('K', -1)
      await at.committed('L', 0)
      await at.bucket.remove(at.keys(k, 0).marker)
      return { at, k }
    }

    test('nothing proves whose it is: outcome_unverifiable, which is not definite (D-9, C11)', async () => {
      const { at, k } = await lostMarker()
      const before = await at.bucket.all()
      expect(at.told(await at.service.commit(k.call), -1)).toBe(WHO_KNOWS)
      expect(await at.bucket.all()).toEqual(before)
    })

    test('an operator recreates the marker from the request and the log entry: 200', async () => {
      const { at, k } = await lostMarker()
      await at.bucket.write(at.keys(k, 0).marker, JSON.stringify(fullMarker(at, k)))
      expect(at.told(await at.service.commit(k.call), -1)).toBe('200 v')
      expect(await at.picture(-1)).toEqual(AFTER)
    })
  })

  test.each(['read_version', 'no read_version'])(
    'the request of a stuck reservation (%s) can be made from storage alone: 200',
    async (what) => {
      const at = fresh()
      const k = await at.writer('K', -1)
      const { read_version: _read_version, ...bare } = arcoInflight(k)
      await at.setState({ latest_version: -1, inflight: what === 'read_version' ? arcoInflight(k) : bare })
      const { inflight } = await at.state()
      const { staged_path, staged_version, commit_id, version } = inflight
      const read_version = inflight.read_version ?? version - 1
      const request = {
        table_id: at.table_id,
        read_version,
        staged_path,
        staged_version,
        idempotency_key: commit_id,
      }
      expect(at.told(await at.service.commit(request), -1)).toBe('200 v')
    },
  )
})
