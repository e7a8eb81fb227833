/** Replay with the same key and body in every crash window: spec/coordinator.md 7.1 and 7.2, row by row. */
import { describe, expect, test } from 'vitest'
import type { ResolverConfig } from '../../lib/protocol/delta/resolve.ts'
import { leaveIn, MAKERS, WINDOWS, type Maker, type Window } from '../support/crash-windows.ts'
import { freshId } from '../support/service.ts'
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

/** Versions before the request: an empty table, and one with history. */
const LATEST = [-1, 0]

/** What happened between the crash and the replay. */
const EVENTS = [
  'nothing else happened',
  'staged object deleted',
  'staged object put again, request names the old token',
  'staged object put again, request names the new token',
  'table dropped',
] as const
type Event = (typeof EVENTS)[number]

/** The answer, and the whole bucket afterwards. */
interface Row {
  readonly answer: string
  readonly after: Picture | 'unchanged'
}

type Cells = Readonly<Record<Maker, Readonly<Record<Ttl, Row>>>>

const K_STAGED = { staged: ['K'] }
const RESERVED: Picture = { state: '{n, K@v}', log: [], markers: [], ...K_STAGED }
const LOGGED: Picture = { ...RESERVED, log: ['K@v'] }
const RECORDED: Picture = { ...LOGGED, markers: ['K@v'] }
const COMMITTED: Picture = { ...RECORDED, state: '{v, null}' }
const UNTOUCHED: Picture = { ...RESERVED, state: '{n, null}' }

/** 7.1: what each crash leaves. */
const LEFT: Readonly<Record<Window, Picture>> = {
  W0: UNTOUCHED,
  W1: RESERVED,
  W2: LOGGED,
  W3: RECORDED,
  W4: COMMITTED,
}

const GONE = { staged: [] }

function always(row: Row): Cells {
  return { tidemark: { 'before TTL': row, 'after TTL': row }, arco: { 'before TTL': row, 'after TTL': row } }
}

/** Arco's reservation without additive members is told apart from ours. */
function byMaker(tidemark: Row, arco: Row): Cells {
  return { tidemark: always(tidemark).tidemark, arco: always(arco).arco }
}

function byTtl(before: Row, after: Row): Readonly<Record<Ttl, Row>> {
  return { 'before TTL': before, 'after TTL': after }
}

const COMMITS: Row = { answer: '200 v', after: COMMITTED }
const REPLAYS: Row = { answer: '200 v', after: 'unchanged' }
const refuses = (answer: string): Row => ({ answer, after: 'unchanged' })

/** 7.2: every event in every window; the cells that the spec leaves out follow from 6.3. */
const REPLAY: Readonly<Record<Event, Readonly<Record<Window, Cells>>>> = {
  'nothing else happened': {
    W0: always(COMMITS),
    W1: always(COMMITS),
    W2: always(COMMITS),
    W3: always(COMMITS),
    W4: always(REPLAYS),
  },
  'staged object deleted': {
    W0: always(refuses('404 staged_not_found')),
    W1: {
      tidemark: byTtl(refuses('409 reserved'), {
        answer: '404 staged_not_found',
        after: { ...UNTOUCHED, ...GONE },
      }),
      arco: byTtl(refuses('409 reserved'), {
        answer: '404 staged_not_found',
        after: { ...UNTOUCHED, ...GONE },
      }),
    },
    W2: byMaker(
      { answer: '200 v', after: { ...COMMITTED, ...GONE } },
      { answer: '404 staged_not_found', after: { ...COMMITTED, ...GONE, markers: [] } },
    ),
    W3: always({ answer: '200 v', after: { ...COMMITTED, ...GONE } }),
    W4: always(REPLAYS),
  },
  'staged object put again, request names the old token': {
    W0: always(refuses('409 staged_version_mismatch')),
    W1: {
      tidemark: byTtl(COMMITS, COMMITS),
      arco: byTtl(refuses('409 reserved'), { answer: '409 staged_version_mismatch', after: UNTOUCHED }),
    },
    W2: byMaker(COMMITS, { answer: '409 staged_version_mismatch', after: { ...COMMITTED, markers: [] } }),
    W3: always(COMMITS),
    W4: always(REPLAYS),
  },
  'staged object put again, request names the new token': {
    W0: always(COMMITS),
    W1: always(COMMITS),
    W2: always(COMMITS),
    W3: always(COMMITS),
    W4: always(REPLAYS),
  },
  'table dropped': {
    W0: always(refuses('404 table_not_found')),
    W1: byMaker(COMMITS, refuses('404 table_not_found')),
    W2: byMaker(COMMITS, refuses('404 table_not_found')),
    W3: always(COMMITS),
    W4: always(REPLAYS),
  },
}

const CATALOG_WITHOUT_THE_TABLE: ResolverConfig = { mode: 'static', tables: new Map() }

/** Let the event happen; the request that is repeated afterwards. */
async function happens(event: Event, table: Table, { call, payload }: Writer): Promise<Writer['call']> {
  switch (event) {
    case 'nothing else happened':
    case 'table dropped':
      return call
    case 'staged object deleted':
      await table.bucket.remove(call.staged_path)
      return call
    case 'staged object put again, request names the old token':
    case 'staged object put again, request names the new token': {
      await table.bucket.remove(call.staged_path)
      const staged_version = await table.bucket.write(call.staged_path, payload)
      if (staged_version === call.staged_version) throw new Error('expected another generation')
      return event.endsWith('new token') ? { ...call, staged_version } : call
    }
  }
}

describe.each(STORES)('coordinator.md 7 on $name', ({ make }) => {
  const fresh = useTables(make)

  async function stopped(n: number, window: Window, maker: Maker): Promise<{ table: Table; k: Writer }> {
    const table_id = freshId()
    const table = fresh({ table_id, resolver: { mode: 'static', tables: new Map([[table_id, null]]) } })
    await table.history(n)
    const k = await table.writer('K', n)
    await leaveIn(table, window, k, maker)
    return { table, k }
  }

  describe.each(LATEST)('n = %i', (n) => {
    for (const maker of MAKERS) {
      for (const window of WINDOWS) {
        test(`7.1 ${window} as ${maker} leaves it`, async () => {
          const { table } = await stopped(n, window, maker)
          expect(await table.picture(n)).toEqual(LEFT[window])
        })

        for (const event of EVENTS) {
          for (const ttl of TTLS) {
            const { answer, after } = REPLAY[event][window][maker][ttl]
            test(`7.2 ${window} of ${maker}, ${event}, replay ${ttl}: ${answer}`, async () => {
              const { table, k } = await stopped(n, window, maker)
              const call = await happens(event, table, k)
              waitUntil(table.clock, ttl)
              const before = await table.bucket.all()
              const process =
                event === 'table dropped'
                  ? table.process({ resolver: CATALOG_WITHOUT_THE_TABLE })
                  : table.service
              expect(table.told(await process.commit(call), n)).toBe(answer)
              const bucket = await table.bucket.all()
              const seen = after === 'unchanged' ? bucket : await table.picture(n)
              expect(seen).toEqual(after === 'unchanged' ? before : after)
              // C7, C12: the same request once more gets the same answer and changes nothing.
              expect(table.told(await process.commit(call), n)).toBe(answer)
              expect(await table.bucket.all()).toEqual(bucket)
            })
          }
        }
      }
    }
  })
})
