/** Recover: finish or drop what is in flight, without committing anything (spec/coordinator.md 10, spec/http-api.md 4.3). */
import { describe, expect, test } from 'vitest'
import { leaveIn, MAKERS, type Maker, type Window } from '../support/crash-windows.ts'
import { countRounds, STORES } from '../support/stores.ts'
import {
  TTLS,
  useTables,
  waitUntil,
  type Picture,
  type Table,
  type Ttl,
  type Writer,
} from '../support/tables.ts'

/** One version is there before: `n` is 0, `v` is 1. */
const n = 0
const v = 1

/** What recover finds. */
const SCENES = [
  'no state object',
  'W0',
  'W1',
  'W2',
  'W3',
  'W4',
  'W1, staged deleted',
  'W2, staged deleted',
  'W3, staged deleted',
  'W1, foreign object at log v',
  'nothing reserved, foreign object at log v',
] as const
type Scene = (typeof SCENES)[number]

interface Row {
  readonly action: 'none' | 'finalized' | 'rolled_forward' | 'abandoned' | 'busy'
  readonly after: Picture | 'unchanged'
}
type Cells = Readonly<Record<Maker, Readonly<Record<Ttl, Row>>>>

const DONE: Picture = { state: '{v, null}', log: ['K@v'], markers: ['K@v'], staged: ['K'] }
const GONE = { staged: [] }
const NOTHING: Row = { action: 'none', after: 'unchanged' }
const BUSY: Row = { action: 'busy', after: 'unchanged' }

const byTtl = (before: Row, after: Row): Cells => ({
  tidemark: { 'before TTL': before, 'after TTL': after },
  arco: { 'before TTL': before, 'after TTL': after },
})
const always = (row: Row): Cells => byTtl(row, row)

const ROWS: Readonly<Record<Scene, Cells>> = {
  'no state object': always(NOTHING),
  W0: always(NOTHING),
  W1: byTtl(BUSY, { action: 'rolled_forward', after: DONE }),
  W2: always({ action: 'rolled_forward', after: DONE }),
  W3: always({ action: 'finalized', after: DONE }),
  W4: always(NOTHING),
  'W1, staged deleted': byTtl(BUSY, {
    action: 'abandoned',
    after: { state: '{n, null}', log: [], markers: [], ...GONE },
  }),
  'W2, staged deleted': {
    tidemark: always({ action: 'rolled_forward', after: { ...DONE, ...GONE } }).tidemark,
    arco: always({ action: 'abandoned', after: { ...DONE, ...GONE, markers: [] } }).arco,
  },
  'W3, staged deleted': always({ action: 'finalized', after: { ...DONE, ...GONE } }),
  'W1, foreign object at log v': always({
    action: 'abandoned',
    after: { ...DONE, log: ['foreign@v'], markers: [] },
  }),
  'nothing reserved, foreign object at log v': always({
    action: 'rolled_forward',
    after: { ...DONE, log: ['foreign@v'], markers: [] },
  }),
}

async function setScene(at: Table, scene: Scene, k: Writer, maker: Maker): Promise<void> {
  if (scene === 'no state object') return at.bucket.remove(at.keys(k, v).state)
  const window = scene.startsWith('W') ? (scene.slice(0, 2) as Window) : 'W0'
  await leaveIn(at, window, k, maker)
  if (scene.endsWith('staged deleted')) await at.bucket.remove(k.call.staged_path)
  if (scene.endsWith('foreign object at log v')) await at.foreign(v)
}

describe.each(STORES)('POST …/recover on $name', ({ make }) => {
  const fresh = useTables(make)

  for (const scene of SCENES) {
    for (const maker of MAKERS) {
      for (const ttl of TTLS) {
        const { action, after } = ROWS[scene][maker][ttl]
        test(`${scene} by ${maker}, ${ttl}: ${action}`, async () => {
          const at = fresh()
          await at.history(n)
          const k = await at.writer('K', n)
          await setScene(at, scene, k, maker)
          waitUntil(at.clock, ttl)
          const before = await at.bucket.all()
          const { status, body } = await at.service.recover(at.table_id)
          const bucket = await at.bucket.all()
          const seen = after === 'unchanged' ? bucket : await at.picture(n)
          expect(seen).toEqual(after === 'unchanged' ? before : after)
          const { latest_version = -1, inflight = null } = (await at.state()) ?? {}
          expect([status, body]).toEqual([200, { latest_version, inflight, action }])

          // Once more: there is nothing left to do, and nothing is written.
          const again = await at.process().recover(at.table_id)
          expect(again.body).toEqual({
            latest_version,
            inflight,
            action: action === 'busy' ? 'busy' : 'none',
          })
          expect(await at.bucket.all()).toEqual(bucket)
        })
      }
    }
  }

  test('what was in flight and what nobody reserved above it, in one call', async () => {
    const at = fresh()
    await at.history(n)
    const k = await at.writer('K', n)
    await leaveIn(at, 'W2', k, 'tidemark')
    for (const version of [2, 3, 4]) await at.foreign(version)
    const { body } = await at.service.recover(at.table_id)
    expect(body).toEqual({ latest_version: 4, inflight: null, action: 'rolled_forward' })
    expect((await at.picture(n)).markers).toEqual(['K@v'])
  })

  test('a state that is moved forward keeps what it does not change, and counts its revision by one', async () => {
    const at = fresh()
    await at.history(n)
    await at.setState({ ...(await at.state()), future: ['kept'] })
    const before = await at.state()
    await at.foreign(v)
    await at.service.recover(at.table_id)
    expect(await at.state()).toEqual({ ...before, latest_version: v, revision: before.revision + 1 })
  })

  test('other commits go on as if nobody had recovered', async () => {
    const at = fresh()
    await at.history(n)
    const k = await at.writer('K', n)
    await leaveIn(at, 'W1', k, 'tidemark')
    waitUntil(at.clock, 'after TTL')
    const [recovered, replayed] = await Promise.all([
      at.process().recover(at.table_id),
      at.process().commit(k.call),
    ])
    expect(recovered.status).toBe(200)
    expect(at.told(replayed, n)).toBe('200 v')
    expect(await at.picture(n)).toEqual(DONE)
  })

  describe('a state behind its log is moved forward in O(log n) reads', () => {
    async function behind(
      by: number,
    ): Promise<{ at: Table; reads: () => number; recover: () => Promise<unknown> }> {
      const at = fresh()
      await at.setState({ latest_version: 7, inflight: null, revision: 1 })
      for (let version = 8; version < 8 + by; version++) await at.foreign(version)
      const counting = countRounds(at.store)
      const process = at.process({ wrap: () => counting.store })
      return {
        at,
        reads: () => counting.operations.filter(({ key }) => key.includes('/_delta_log/')).length,
        recover: async () => (await process.recover(at.table_id)).body,
      }
    }

    test.each([0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 100])('by %i', async (by) => {
      const { at, reads, recover } = await behind(by)
      expect(await recover()).toEqual({
        latest_version: 7 + by,
        inflight: null,
        action: by === 0 ? 'none' : 'rolled_forward',
      })
      // One probe above the state, doubling until one is absent, then halving the gap.
      expect(reads()).toBeLessThanOrEqual(1 + 2 * Math.ceil(Math.log2(by + 1)))
      expect((await at.picture(7)).markers).toEqual([])
    })

    test('by more than one request may probe: as far as it got, and the next calls go on', async () => {
      const at = fresh()
      await at.setState({ latest_version: 7, inflight: null, revision: 1 })
      await at.foreign(8)
      // Every version up to 2^20 seems to be there.
      const far = at.process({
        wrap: (store) => ({
          ...store,
          get: async (key, options) => store.get(isInLog(key, 2 ** 20) ? inLog(key, 8) : key, options),
        }),
      })
      const answers: unknown[] = []
      for (let call = 1; call <= 3; call++) answers.push((await far.recover(at.table_id)).body)
      expect(answers).toEqual([
        { latest_version: expect.any(Number), inflight: null, action: 'rolled_forward' },
        { latest_version: 2 ** 20, inflight: null, action: 'rolled_forward' },
        { latest_version: 2 ** 20, inflight: null, action: 'none' },
      ])
    })
  })
})

const LOG_ENTRY = /_delta_log\/(\d{20})\.json$/

/** Whether a key is a log entry of a version up to `last`. */
function isInLog(key: string, last: number): boolean {
  const digits = LOG_ENTRY.exec(key)?.[1]
  return digits !== undefined && Number(digits) <= last
}

/** The log entry of another version. */
function inLog(key: string, version: number): string {
  return key.replace(LOG_ENTRY, `_delta_log/${String(version).padStart(20, '0')}.json`)
}
