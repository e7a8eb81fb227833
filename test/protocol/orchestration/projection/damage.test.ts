/**
 * A projection that is broken itself (spec/rebuild.md 12): what an incremental rebuild makes of each kind of damage, and
 * that `mode: "full"` brings the projection back, without a gap for readers, and with the old manifest in reach.
 */
import { describe, expect, test } from 'vitest'
import { POINTER_PATH } from '../../../../lib/protocol/orchestration/paths.ts'
import { textOfDump } from '../../../support/projection.ts'
import { eventAt, eventsAt, idAt, runOfTasks } from '../../../support/projection-events.ts'
import { watchedWorld, type WatchedWorld } from '../../../support/projection-rule.ts'
import { manifestAt, rebuilding, runsOf } from '../../../support/projection-steps.ts'
import { folded } from '../../../support/projection-world.ts'

const EVENTS = [...eventsAt(1, 3), ...runOfTasks(1, 4), eventAt(9)]

/** A workspace with two deltas, the second of which deletes a row. */
async function healthy(): Promise<{ readonly world: WatchedWorld; readonly paths: string[] }> {
  const world = watchedWorld({ may_regress: true })
  const paths = world.append(EVENTS)
  folded(await world.compact(paths.slice(0, 4)))
  folded(await world.compact(paths.slice(4)))
  return { world, paths }
}

/** The rows of one fold of everything. */
async function wanted(): Promise<string> {
  const world = watchedWorld()
  folded(await world.compact(world.append(EVENTS)))
  return textOfDump(await world.rows())
}

interface StoredManifest {
  manifest_id: string
  previous_manifest_path?: string
  schema_version: number
  watermarks: Record<string, string>
  l0_deltas: { tables: Record<string, { path: string }>; deletions?: { path: string } }[]
}

function manifestIn(world: WatchedWorld): StoredManifest {
  return world.json(world.pointer().manifest_path) as StoredManifest
}

function edit(world: WatchedWorld, change: (manifest: StoredManifest) => void): void {
  const manifest = manifestIn(world)
  change(manifest)
  world.write(world.pointer().manifest_path, JSON.stringify(manifest))
}

function artifactOf(world: WatchedWorld, table: string): string {
  return manifestIn(world).l0_deltas[0]?.tables[table]?.path ?? ''
}

interface Damage {
  readonly damage: string
  damaged(world: WatchedWorld): void
  /** What an incremental rebuild from the complete list answers. */
  readonly incremental: object
  /** Readers cannot read it either. */
  readonly is_unreadable?: true
  /** The old manifest cannot be named: it, or the pointer to it, is gone or broken. */
  readonly is_cut_off?: true
}

const corrupt = (object_class: string) => ({ ok: false, reason: 'object_corrupt', object_class })
const nothing = { ok: true, events_processed: 0, revisions: 0, accounting: { below_floor: EVENTS.length } }

const DAMAGES: readonly Damage[] = [
  {
    damage: 'rows are missing, and the manifest is fine',
    damaged: (world) => edit(world, (manifest) => delete manifest.l0_deltas[1]?.tables['tasks']),
    incremental: nothing,
  },
  {
    damage: 'an artifact is deleted',
    damaged: (world) => world.store.remove(world.prefix + artifactOf(world, 'runs')),
    incremental: nothing,
    is_unreadable: true,
  },
  {
    damage: 'an artifact has other bytes',
    damaged: (world) => world.write(artifactOf(world, 'runs'), 'not Parquet'),
    incremental: nothing,
    is_unreadable: true,
  },
  {
    damage: 'the deletions are not JSON',
    damaged: (world) => world.write(manifestIn(world).l0_deltas[1]?.deletions?.path ?? '', '{'),
    incremental: nothing,
    is_unreadable: true,
  },
  {
    damage: 'the manifest was stripped of deletions',
    damaged: (world) =>
      edit(world, (manifest) => manifest.l0_deltas.forEach((delta) => delete delta.deletions)),
    incremental: { ok: false, reason: 'delete_channel' },
  },
  {
    damage: 'the manifest does not parse',
    damaged: (world) => world.write(world.pointer().manifest_path, '{"manifest_id":'),
    incremental: corrupt('manifest'),
    is_unreadable: true,
    is_cut_off: true,
  },
  {
    damage: 'the manifest is missing',
    damaged: (world) => world.store.remove(world.prefix + world.pointer().manifest_path),
    incremental: corrupt('manifest'),
    is_unreadable: true,
    is_cut_off: true,
  },
  {
    damage: 'the manifest is of a newer schema',
    damaged: (world) => edit(world, (manifest) => (manifest.schema_version = 3)),
    incremental: { ok: false, reason: 'delete_channel' },
  },
  {
    damage: 'the pointer does not parse',
    damaged: (world) => world.write(POINTER_PATH, 'null'),
    incremental: corrupt('pointer'),
    is_unreadable: true,
    is_cut_off: true,
  },
  {
    damage: 'the watermark is of an event of the future',
    damaged: (world) =>
      edit(world, ({ watermarks }) =>
        ['last_committed_event_id', 'last_visible_event_id', 'events_processed_through'].forEach(
          (name) => (watermarks[name] = idAt(4_000_000)),
        ),
      ),
    incremental: nothing,
  },
]

describe.each(DAMAGES)('rebuild.md 12: $damage', ({ damaged, incremental, is_unreadable, is_cut_off }) => {
  test('what an incremental rebuild makes of it', async () => {
    const { world, paths } = await healthy()
    damaged(world)
    const before = world.text(POINTER_PATH)
    expect(await world.rebuild(paths)).toMatchObject(incremental)
    expect(world.text(POINTER_PATH)).toBe(before)
  })

  test('mode full brings it back, in one step for readers, with the old manifest in reach', async () => {
    const { world, paths } = await healthy()
    damaged(world)
    const head = is_cut_off === true ? null : manifestIn(world)
    const read = async () => world.rows().then(textOfDump, (error: Error) => error.message)
    if (is_cut_off === true) world.watch.forget()
    const before = await read()
    expect(before.includes('cannot be read')).toBe(is_unreadable === true)
    const process = await rebuilding(world, {
      rebuild_manifest_path: world.list(paths.toReversed()),
      mode: 'full',
      allow_regression: true,
    })
    const seen = new Set<string>()
    while (process.pending.length > 0) {
      await process.step()
      seen.add(await read())
    }
    expect(process.result).toMatchObject({
      ok: true,
      events_processed: EVENTS.length,
      revisions: 1,
      merged_to_base: true,
    })
    const after = await wanted()
    expect([...seen]).toEqual([...new Set([before, after])])
    const manifest = manifestIn(world)
    expect(manifest.previous_manifest_path).toBe(head === null ? undefined : manifestAt(2))
    expect(manifest.watermarks['last_visible_event_id']).toBe(idAt(9))
    world.watch.checkReachable()
    // And it goes on from there.
    expect(folded(await world.compact(world.append(eventsAt(20, 21)))).accounting.applied).toBe(1)
  })
})

describe('rebuild.md 12: the other rows of the table', () => {
  test('merely behind: an incremental rebuild catches up', async () => {
    const world = watchedWorld()
    const paths = world.append(EVENTS)
    folded(await world.compact(paths.slice(0, 4)))
    expect(folded(await world.rebuild(paths))).toMatchObject({
      events_processed: 3,
      accounting: { below_floor: 4 },
    })
    expect(textOfDump(await world.rows())).toBe(await wanted())
  })

  test.each([2, 70])('an operator deleted the pointer, and %i old manifests lie there', async (count) => {
    const { world, paths } = await healthy()
    for (let id = 3; id <= count; id++) world.write(manifestAt(id), '{}')
    world.store.remove(world.prefix + POINTER_PATH)
    world.watch.forget()
    const old = world.text(manifestAt(2))
    const again = folded(await world.rebuild(paths, { mode: 'full' }))
    expect(Number(again.manifest_id)).toBeGreaterThan(count)
    expect(textOfDump(await world.rows())).toBe(await wanted())
    expect(world.text(manifestAt(2))).toBe(old)
    folded(await world.compact(world.append(eventsAt(20, 21))))
  })

  test('an artifact of a base that a rebuild from scratch has written is deleted: the next one writes it again', async () => {
    const { world, paths } = await healthy()
    folded(await world.rebuild(paths, { mode: 'full' }))
    for (const key of world.store.dump().keys()) if (/\/base\/.*\/runs\./.test(key)) world.store.remove(key)
    await expect(world.rows()).rejects.toThrow('object_corrupt')
    const again = folded(await world.rebuild(paths, { mode: 'full' }))
    expect(again.revisions).toBe(1)
    expect(textOfDump(await world.rows())).toBe(await wanted())
    world.watch.checkReachable()
  })

  test('P9: one that is whole is left alone', async () => {
    const { world, paths } = await healthy()
    const first = folded(await world.rebuild(paths, { mode: 'full' }))
    const before = world.store.dump()
    const again = folded(await world.rebuild(paths, { mode: 'full' }))
    expect(again).toMatchObject({ revisions: 0, manifest_revision: first.manifest_revision })
    const written = [...world.store.dump().keys()].filter((key) => !before.has(key))
    expect(written.filter((key) => !key.includes('/rebuilds/list-'))).toEqual([])
  })
})

describe('private chunks that are broken do not stop a rebuild', () => {
  const chunks = (world: WatchedWorld, pattern: RegExp) =>
    [...world.store.dump().keys()]
      .filter((key) => pattern.test(key))
      .map((key) => key.slice(world.prefix.length))

  test.each([
    ['a record is not JSON', /chunk-000001\.json$/, '{'],
    ['a record is of another kind', /chunk-000000\.json$/, '{"schema_version":2}'],
    ['a record is empty', /chunk-000001\.json$/, ''],
    ['a layer has other bytes', /layer\..*\.json$/, '{}'],
    ['a layer is gone', /layer\..*\.json$/, null],
  ] as const)('%s', async (_, pattern, text) => {
    const { world, paths } = await healthy()
    const small = watchedWorld({
      store: world.store,
      settings: { chunk_events: 2 },
      now_ms: world.clock.now_ms,
    })
    const request = { rebuild_manifest_path: small.list(paths), mode: 'full' as const }
    const process = await rebuilding(small, request)
    await process.run(`get event ${idAt(9)}`)
    process.kill()
    const [broken = ''] = chunks(small, pattern)
    expect(broken).not.toBe('')
    if (text === null) small.store.remove(small.prefix + broken)
    else small.write(broken, text)
    small.clock.now_ms += 32_000
    const again = await (await rebuilding(small, request)).run()
    expect(again.result).toMatchObject({ ok: true, events_processed: EVENTS.length, revisions: 1 })
    expect(textOfDump(await small.rows())).toBe(await wanted())
  })
})

describe('guard rails', () => {
  test('a list that ends before what is visible is refused, unless the operator allows it', async () => {
    const { world, paths } = await healthy()
    const before = world.text(POINTER_PATH)
    const short = paths.slice(0, 2)
    const refused = await world.rebuild(short, { mode: 'full' })
    expect(refused).toMatchObject({ ok: false, reason: 'bad_request' })
    expect(refused).toMatchObject({ detail: expect.stringContaining('allow_regression') as string })
    expect(world.text(POINTER_PATH)).toBe(before)
    const allowed = folded(await world.rebuild(short, { mode: 'full', allow_regression: true }))
    expect(allowed).toMatchObject({ watermark_before: idAt(9), watermark_after: idAt(2) })
    expect(await runsOf(world)).toEqual(['run-1', 'run-2'])
    // What was left out comes back with the next rebuild: the floor went back, too.
    expect(folded(await world.rebuild(paths)).accounting).toMatchObject({ below_floor: 2, applied: 5 })
    expect(textOfDump(await world.rows())).toBe(await wanted())
  })

  test('an empty list is one that ends before everything', async () => {
    const { world } = await healthy()
    expect(await world.rebuild([], { mode: 'full' })).toMatchObject({ ok: false, reason: 'bad_request' })
    folded(await world.rebuild([], { mode: 'full', allow_regression: true }))
    expect(await runsOf(world)).toEqual([])
  })

  test('a dry run says what would be there, and writes nothing, not even the lock', async () => {
    const { world, paths } = await healthy()
    world.write(world.pointer().manifest_path, '{')
    const path = world.list(paths)
    const before = world.store.dump()
    const process = await rebuilding(world, { rebuild_manifest_path: path, mode: 'full', dry_run: true })
    await process.run()
    expect(process.result).toMatchObject({
      ok: true,
      dry_run: true,
      revisions: 0,
      events_processed: EVENTS.length,
      watermark_after: idAt(9),
      row_counts: { runs: 3, tasks: 2, idempotency_keys: 7 },
    })
    expect(world.store.dump()).toEqual(before)
  })
})
