/** Events that cannot be folded (spec/rebuild.md 6, spec/http-api.md 5.3): all of them at once, and nothing is published. */
import { describe, expect, test } from 'vitest'
import { encodeEvent } from '../../../../lib/protocol/orchestration/events/encode.ts'
import { POINTER_PATH } from '../../../../lib/protocol/orchestration/paths.ts'
import { eventAt, eventsAt, idAt } from '../../../support/projection-events.ts'
import { watchedWorld, type WatchedWorld } from '../../../support/projection-rule.ts'
import { folded } from '../../../support/projection-world.ts'

const OPERATIONS = [
  ['compact', async (world: WatchedWorld, paths: readonly string[]) => world.compact(paths)],
  ['rebuild', async (world: WatchedWorld, paths: readonly string[]) => world.rebuild(paths)],
  [
    'rebuild from scratch',
    async (world: WatchedWorld, paths: readonly string[]) => world.rebuild(paths, { mode: 'full' }),
  ],
  [
    'a dry run',
    async (world: WatchedWorld, paths: readonly string[]) =>
      world.rebuild(paths, { mode: 'full', dry_run: true }),
  ],
] as const

const pathAt = (number: number, date = '2026-02-21') => `ledger/orchestration/${date}/${idAt(number)}.json`

interface Bad {
  readonly what: string
  readonly reason: string
  readonly path: string
  readonly text?: string
  readonly detail: RegExp
  readonly offset?: number
}

const BAD: readonly Bad[] = [
  { what: 'is not there', reason: 'event_not_found', path: pathAt(11), detail: /does not exist/ },
  {
    what: 'is not JSON',
    reason: 'event_invalid',
    path: pathAt(12),
    text: '{"event_id": nul}',
    detail: /./,
    offset: 13,
  },
  { what: 'is empty', reason: 'event_invalid', path: pathAt(13), text: '', detail: /./, offset: 0 },
  {
    what: 'lacks a member',
    reason: 'event_invalid',
    path: pathAt(14),
    text: encodeEvent(eventAt(14)).replace('"tenant_id"', '"tenant"'),
    detail: /tenant_id/,
  },
  {
    what: 'is larger than an event may be',
    reason: 'event_invalid',
    path: pathAt(15),
    text: encodeEvent(eventAt(15)).padEnd(1_048_577, ' '),
    detail: /at most 1048576 bytes/,
    offset: 1_048_576,
  },
  {
    what: 'belongs to another tenant (P13, S1)',
    reason: 'event_out_of_scope',
    path: pathAt(16),
    text: encodeEvent(eventAt(16, { tenant_id: 'globex' })),
    detail: /another tenant or workspace/,
  },
  {
    what: 'belongs to another workspace (P13, S1)',
    reason: 'event_out_of_scope',
    path: pathAt(17),
    text: encodeEvent(eventAt(17, { workspace_id: 'dev' })),
    detail: /another tenant or workspace/,
  },
  {
    what: 'lies under another date than that of its id (P13)',
    reason: 'event_path_invalid',
    path: pathAt(18, '2026-02-20'),
    text: encodeEvent(eventAt(18)),
    detail: /noncanonical event path: expected "ledger\/orchestration\/2026-02-21\//,
  },
  {
    what: 'says that it is another event (P13)',
    reason: 'event_path_invalid',
    path: pathAt(19),
    text: encodeEvent(eventAt(20)),
    detail: /noncanonical event path/,
  },
]

/** Two good events, one of them visible, and what is bad in between. */
async function worldWith(bad: readonly Bad[], settings = {}) {
  const world = watchedWorld({ settings })
  const good = world.append([...eventsAt(1, 3), eventAt(30)])
  folded(await world.compact(good.slice(0, 1)))
  for (const { path, text } of bad) if (text !== undefined) world.write(path, text)
  return { world, good, listed: [...good, ...bad.map(({ path }) => path)] }
}

describe.each(OPERATIONS)('%s', (_, operate) => {
  test.each(BAD)('an event that $what: $reason', async (bad) => {
    const { world, listed } = await worldWith([bad])
    const before = world.store.dump()
    const refused = await operate(world, listed)
    const { path, reason, offset } = bad
    const event = {
      reason,
      path,
      detail: expect.stringMatching(bad.detail) as string,
      ...(offset === undefined ? {} : { offset }),
    }
    expect(refused).toMatchObject({ ok: false, ...event, paths: [event], truncated: false })
    expect(world.text(POINTER_PATH)).toBe(new TextDecoder().decode(before.get(world.prefix + POINTER_PATH)))
    expect([...world.store.dump().keys()].filter((key) => key.includes('/manifests/'))).toHaveLength(1)
  })

  test('RB-11: all of them in one pass, the first in the order of reading gives the answer its reason', async () => {
    const { world, listed } = await worldWith(BAD, { reads_max: 2, chunk_events: 3 })
    const refused = await operate(world, listed)
    const found = 'paths' in refused ? refused.paths.map(({ reason, path }) => ({ reason, path })) : []
    expect(found.toSorted((a, b) => (a.path < b.path ? -1 : 1))).toEqual(
      BAD.map(({ reason, path }) => ({ reason, path })).toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    )
    expect(refused).toMatchObject({ ok: false, ...found[0], truncated: false })
  })

  test('S19: of ten thousand that are missing a thousand are named, and the rest is not read', async () => {
    const world = watchedWorld({ settings: { chunk_events: 2_000 } })
    let reads = 0
    const { store } = world.env
    const counted = {
      ...store,
      get: async (...call: Parameters<typeof store.get>) => ((reads += 1), store.get(...call)),
    }
    const counting = watchedWorld({
      store: world.store,
      watch: world.watch,
      settings: world.settings,
      wrap: () => counted,
    })
    const refused = await operate(
      counting,
      Array.from({ length: 10_000 }, (_each, at) => pathAt(at)),
    )
    expect(refused).toMatchObject({ ok: false, reason: 'event_not_found', truncated: true })
    expect('paths' in refused && refused.paths).toHaveLength(1_000)
    expect(reads).toBeLessThan(3_000)
  })
})

test('P13: an event that is bad but below the watermark is not read by an incremental rebuild', async () => {
  const [broken] = BAD.filter(({ what }) => what === 'is not JSON')
  if (broken === undefined) throw new Error('one that is not JSON')
  const { world, listed, good } = await worldWith([broken])
  folded(await world.compact(good))
  expect(folded(await world.rebuild(listed)).accounting).toMatchObject({ below_floor: 4, applied: 0 })
})

test('quarantine leaves out what does not decode, and nothing else', async () => {
  const invalid = BAD.filter(({ reason }) => reason === 'event_invalid')
  for (const mode of ['incremental', 'full'] as const) {
    const { world, listed } = await worldWith(invalid)
    expect(folded(await world.rebuild(listed, { mode, quarantine: true })).accounting).toMatchObject({
      quarantined: invalid.length,
    })
    const others = await worldWith(BAD)
    const refused = await others.world.rebuild(others.listed, { mode, quarantine: true })
    expect('paths' in refused && refused.paths.map(({ reason }) => reason)).not.toContain('event_invalid')
    expect('paths' in refused && refused.paths).toHaveLength(BAD.length - invalid.length)
  }
})
