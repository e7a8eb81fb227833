/** How often compact and rebuild wait for the store, one operation after another (PROTOCOL.md, "What it costs"). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../../../lib/store/memory.ts'
import { LOCK_PATH } from '../../../../lib/protocol/orchestration/paths.ts'
import { scopedStore } from '../../../../lib/store/scoped.ts'
import type { RebuildRequest } from '../../../../lib/protocol/orchestration/projection/rebuild.ts'
import { eventsAt, runOfTasks } from '../../../support/projection-events.ts'
import { REPOSITORY } from '../../../house/tools.ts'
import { folded, projectionWorld, type World } from '../../../support/projection-world.ts'
import { countRounds } from '../../../support/stores.ts'

/** A workspace with a base and a delta above it, as most calls find it; the counter starts when it is there. */
async function counted(is_fresh: boolean) {
  const store = memoryStore()
  const counter = countRounds(store)
  const world = projectionWorld({
    store,
    wrap: () => scopedStore(counter.store, { tenant: 'acme', workspace: 'prod' }),
  })
  if (!is_fresh) {
    folded(await world.compact(world.append(eventsAt(1, 3))))
    world.clock.now_ms += 300_000
    folded(await world.compact(world.append(runOfTasks(1, 3))))
    folded(await world.compact(world.append(eventsAt(8, 9))))
  }
  counter.reset()
  return { world, counter }
}

/** Above the epoch of the pointer. */
const FENCED_TOKEN = 9

interface Row {
  readonly what: string
  readonly events: number
  /** Nothing was published yet. */
  readonly is_fresh?: true
  readonly mode?: RebuildRequest['mode']
  readonly fenced?: true
  readonly rounds: number
  readonly requests: number
}

const ROWS: readonly Row[] = [
  { what: 'compact', events: 0, rounds: 4, requests: 5 },
  { what: 'compact', events: 0, is_fresh: true, rounds: 7, requests: 8 },
  { what: 'compact', events: 0, fenced: true, rounds: 2, requests: 3 },
  { what: 'compact', events: 1, rounds: 9, requests: 32 },
  { what: 'compact', events: 1, is_fresh: true, rounds: 8, requests: 12 },
  { what: 'compact', events: 1, fenced: true, rounds: 7, requests: 30 },
  { what: 'compact', events: 1_000, rounds: 12, requests: 1_031 },
  { what: 'rebuild', events: 0, rounds: 5, requests: 6 },
  { what: 'rebuild', events: 1, rounds: 11, requests: 33 },
  { what: 'rebuild', events: 1_000, rounds: 14, requests: 1_032 },
  { what: 'rebuild', events: 1_000, mode: 'full', rounds: 14, requests: 1_027 },
]

async function perform(world: World, { what, events, mode = 'incremental', fenced }: Row) {
  const paths = world.append(eventsAt(100, 100 + events))
  const token = fenced === true ? FENCED_TOKEN : null
  return what === 'compact'
    ? world.compact(paths, token)
    : world.rebuild(paths, { mode, allow_regression: true })
}

/** Held by the caller of a fenced request. */
const LOCK = {
  holderId: 'caller',
  acquiredAt: '2026-02-21T12:00:00Z',
  expiresAt: '2026-02-21T13:00:00Z',
  sequenceNumber: FENCED_TOKEN,
}

describe('sequential rounds and operations', () => {
  const cases = ROWS.map((row) => {
    const { what, events, is_fresh, mode, fenced, rounds, requests } = row
    const how = [
      mode === 'full' && 'from scratch',
      fenced && 'under the caller’s lock',
      is_fresh && 'of a new workspace',
    ]
    const title = [what, ...how.filter(Boolean), `of ${events} events`].join(' ')
    return { ...row, promise: `${title}: ${rounds} rounds, ${requests} operations` }
  })

  test.each(cases)('$promise', async (row) => {
    const { world, counter } = await counted(row.is_fresh === true)
    if (row.fenced === true) world.write(LOCK_PATH, JSON.stringify(LOCK))
    expect(folded(await perform(world, row)).events_processed).toBe(row.events)
    const { operations } = counter
    expect({ rounds: counter.rounds(), requests: operations.length }).toEqual({
      rounds: row.rounds,
      requests: row.requests,
    })
  })

  test('reads_max events are one round, and the head is read beside the first of them', async () => {
    const { world, counter } = await counted(false)
    folded(await world.compact(world.append(eventsAt(100, 1_100))))
    const { reads_max } = world.settings
    const ledger = counter.operations.filter(({ key }) => key.includes('/ledger/'))
    const rounds = Map.groupBy(ledger, ({ round }) => round)
    expect([...rounds.values()].map((each) => each.length)).toEqual([
      reads_max,
      reads_max,
      reads_max,
      1_000 - 3 * reads_max,
    ])
    const [first] = rounds.keys()
    const beside = counter.operations.filter(
      ({ key, round }) => round === first && key.includes('/manifests/'),
    )
    expect(beside).toHaveLength(1)
  })
})

test('PROTOCOL.md has these numbers', () => {
  const document = readFileSync(join(REPOSITORY, 'PROTOCOL.md'), 'utf8')
  const [, section = ''] = document.split('### What it costs')
  const cells = [...section.matchAll(/^\| (.+?) \| ([0-9, a-z']+) \| ([0-9 ]+) \|$/gm)].map(
    ([, what, rounds, requests]) => ({
      what,
      rounds: (rounds?.match(/[0-9]+/g) ?? []).map(Number),
      requests: Number(requests?.replace(' ', '')),
    }),
  )
  const numberOf = (events: number) =>
    events === 1_000 ? '1 000 events' : events === 1 ? 'one event' : 'nothing'
  const expected = ROWS.filter(({ is_fresh, fenced }) => is_fresh !== true && fenced !== true).map((row) => {
    const fenced = ROWS.find(
      ({ what, events, fenced: is }) => is === true && what === row.what && events === row.events,
    )
    const nothing = row.what === 'rebuild' ? '`/rebuild` with nothing new' : '`/compact` of nothing'
    const what = row.mode === 'full' ? 'the same from scratch' : `\`/${row.what}\` of ${numberOf(row.events)}`
    return {
      what: row.events === 0 ? nothing : what,
      rounds: [row.rounds, ...(fenced === undefined ? [] : [fenced.rounds])],
      requests: row.requests,
    }
  })
  expect(cells).toEqual(expected)
})
