/** Another writer meets a commit that stopped: spec/coordinator.md 7.3, row by row. */
import { describe, expect, test } from 'vitest'
import { leaveIn, MAKERS, type Maker, type Window } from '../support/crash-windows.ts'
import { STORES } from '../support/stores.ts'
import {
  TTLS,
  useTables,
  waitUntil,
  type Picture,
  type Table,
  type Ttl,
  type Writer,
} from '../support/tables.ts'

/** Versions before the requests: an empty table, and one with history. */
const LATEST = [-1, 0]

/** What K2 finds, and what it thinks the latest version is. */
const SCENES = [
  'W0',
  'W1',
  'W2',
  'W3',
  'W4',
  'W1, foreign object at log v',
  'W1, staged deleted',
  'W2, staged deleted',
  'W3, staged deleted',
  'W4, staged deleted',
] as const
type Scene = (typeof SCENES)[number]
const READ_VERSIONS = ['n', 'v'] as const
type ReadVersion = (typeof READ_VERSIONS)[number]

/** K2's answer, the whole bucket afterwards, and what a replay of K is told then. */
interface Row {
  readonly answer: string
  readonly after: Picture | 'unchanged'
  readonly replay_of_k: string
}

type Cells = Readonly<Record<Maker, Readonly<Record<Ttl, Row>>>>

const byTtl = (before: Row, after: Row): Cells => ({
  tidemark: { 'before TTL': before, 'after TTL': after },
  arco: { 'before TTL': before, 'after TTL': after },
})
const always = (row: Row): Cells => byTtl(row, row)
const byMaker = (tidemark: Row, arco: Row): Cells => ({
  tidemark: always(tidemark).tidemark,
  arco: always(arco).arco,
})

const STALE = '409 stale_read_version latest v'
const BOTH_STAGED = { staged: ['K', 'K2'] }
const K_GONE = { staged: ['K2'] }
const K_DONE: Picture = { state: '{v, null}', log: ['K@v'], markers: ['K@v'], ...BOTH_STAGED }
const K2_ON_TOP: Picture = {
  state: '{v+1, null}',
  log: ['K@v', 'K2@v+1'],
  markers: ['K2@v+1', 'K@v'],
  ...BOTH_STAGED,
}

/** K is finished, whoever did it; K2 was too late for v. */
const STALE_BEHIND_K: Row = { answer: STALE, after: K_DONE, replay_of_k: '200 v' }
const NEXT_AFTER_K: Row = { answer: '200 v+1', after: K2_ON_TOP, replay_of_k: '200 v' }
const WAITS: Row = { answer: '409 reserved', after: 'unchanged', replay_of_k: '200 v' }
const WAITS_FOR_LOST: Row = { ...WAITS, replay_of_k: '409 reserved' }
const gone = (row: Row): Row => ({
  ...row,
  after: row.after === 'unchanged' ? 'unchanged' : { ...row.after, ...K_GONE },
})

const OTHER_WRITER: Readonly<Record<Scene, Readonly<Record<ReadVersion, Cells>>>> = {
  W0: {
    n: always({
      answer: '200 v',
      after: { state: '{v, null}', log: ['K2@v'], markers: ['K2@v'], ...BOTH_STAGED },
      replay_of_k: STALE,
    }),
    v: always({ answer: '409 read_version_ahead latest n', after: 'unchanged', replay_of_k: '200 v' }),
  },
  W1: { n: byTtl(WAITS, STALE_BEHIND_K), v: byTtl(WAITS, NEXT_AFTER_K) },
  W2: { n: always(STALE_BEHIND_K), v: always(NEXT_AFTER_K) },
  W3: { n: always(STALE_BEHIND_K), v: always(NEXT_AFTER_K) },
  W4: { n: always({ ...STALE_BEHIND_K, after: 'unchanged' }), v: always(NEXT_AFTER_K) },
  'W1, foreign object at log v': {
    n: always({
      answer: STALE,
      after: { state: '{v, null}', log: ['foreign@v'], markers: [], ...BOTH_STAGED },
      replay_of_k: STALE,
    }),
    v: always({
      answer: '200 v+1',
      after: { state: '{v+1, null}', log: ['foreign@v', 'K2@v+1'], markers: ['K2@v+1'], ...BOTH_STAGED },
      replay_of_k: '409 stale_read_version latest v+1',
    }),
  },
  'W1, staged deleted': {
    n: byTtl(WAITS_FOR_LOST, {
      answer: '200 v',
      after: { state: '{v, null}', log: ['K2@v'], markers: ['K2@v'], ...K_GONE },
      replay_of_k: '404 staged_not_found',
    }),
    v: byTtl(WAITS_FOR_LOST, {
      answer: '409 read_version_ahead latest n',
      after: { state: '{n, null}', log: [], markers: [], ...K_GONE },
      replay_of_k: '404 staged_not_found',
    }),
  },
  'W2, staged deleted': {
    n: byMaker(gone(STALE_BEHIND_K), {
      answer: STALE,
      after: { ...K_DONE, ...K_GONE, markers: [] },
      replay_of_k: '404 staged_not_found',
    }),
    v: byMaker(gone(NEXT_AFTER_K), {
      answer: '200 v+1',
      after: { ...K2_ON_TOP, ...K_GONE, markers: ['K2@v+1'] },
      replay_of_k: '404 staged_not_found',
    }),
  },
  'W3, staged deleted': { n: always(gone(STALE_BEHIND_K)), v: always(gone(NEXT_AFTER_K)) },
  'W4, staged deleted': {
    n: always({ ...STALE_BEHIND_K, after: 'unchanged' }),
    v: always(gone(NEXT_AFTER_K)),
  },
}

/** The window of a scene, and what happened to the bucket since. */
async function setScene(table: Table, scene: Scene, k: Writer, maker: Maker): Promise<void> {
  await leaveIn(table, scene.slice(0, 2) as Window, k, maker)
  if (scene.endsWith('staged deleted')) await table.bucket.remove(k.call.staged_path)
  if (scene.endsWith('foreign object at log v')) await table.foreign(k.call.read_version + 1)
}

describe.each(STORES)('coordinator.md 7.3 on $name', ({ make }) => {
  const fresh = useTables(make)

  describe.each(LATEST)('n = %i', (n) => {
    for (const scene of SCENES) {
      for (const maker of MAKERS) {
        for (const read_version of READ_VERSIONS) {
          // Without a state object the answer is that of section 10 (bootstrap.test.ts).
          if (n === -1 && scene === 'W0' && read_version === 'v') continue
          for (const ttl of TTLS) {
            const { answer, after, replay_of_k } = OTHER_WRITER[scene][read_version][maker][ttl]
            test(`${scene} by ${maker}, K2.read_version = ${read_version}, ${ttl}: ${answer}`, async () => {
              const table = fresh()
              await table.history(n)
              const k = await table.writer('K', n)
              const k2 = await table.writer('K2', read_version === 'n' ? n : n + 1)
              await setScene(table, scene, k, maker)
              waitUntil(table.clock, ttl)
              const before = await table.bucket.all()

              expect(table.told(await table.service.commit(k2.call), n)).toBe(answer)
              const seen = after === 'unchanged' ? await table.bucket.all() : await table.picture(n)
              expect(seen).toEqual(after === 'unchanged' ? before : after)
              expect(table.told(await table.service.commit(k.call), n)).toBe(replay_of_k)

              // G-6: whatever happened, the next writer with the right read_version gets through.
              waitUntil(table.clock, 'after TTL')
              await table.service.recover(table.table_id)
              const { latest_version } = (await table.service.inspect(table.table_id)).body
              const late = await table.writer('late', latest_version)
              expect((await table.service.commit(late.call)).body).toMatchObject({
                version: latest_version + 1,
              })
            })
          }
        }
      }
    }
  })
})
