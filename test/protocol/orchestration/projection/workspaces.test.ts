import { describe, expect, test } from 'vitest'
import { ulidTime_ms } from '../../../../lib/protocol/ids.ts'
import { eventIdOfPath } from '../../../../lib/protocol/orchestration/paths.ts'
import type { Manifest } from '../../../../lib/protocol/orchestration/projection/manifest.ts'
import { readProjection } from '../../../../lib/protocol/orchestration/projection/read.ts'
import { rebuild, REBUILD_DEFAULTS } from '../../../../lib/protocol/orchestration/projection/rebuild.ts'
import { compareKeys } from '../../../../lib/store/keys.ts'
import { scopePrefix } from '../../../../lib/store/scoped.ts'
import {
  arcoWorkspace,
  plainTables,
  type ArcoAsk,
  type ArcoScope,
} from '../../../support/arco-projections.ts'
import { dumpState } from '../../../support/projection.ts'
import { folded, projectionWorld, type World } from '../../../support/projection-world.ts'
import { memoryWorkspace, readTree, workspaceNames } from '../../../support/workspace.ts'

const NAMES = workspaceNames('orch-')

/** Every scope of every workspace; the rebuild's `tree-before` is one of its own. */
const SCOPES = NAMES.flatMap((name) => {
  const about = arcoWorkspace(name)
  const after = about.scopes.map((scope) => ({ name, about, scope, folder: 'tree' as const }))
  const before =
    about.before === undefined ? [] : [{ name, about, scope: about.before, folder: 'tree-before' as const }]
  return [...after, ...before].map((each) => ({
    ...each,
    title: `${name}${each.folder === 'tree' ? '' : ' before'}, ${scopePrefix(each.scope)}`,
  }))
})

type Case = (typeof SCOPES)[number]

const ASKS = SCOPES.flatMap((each) =>
  (each.scope.then ?? []).map((ask) => ({
    ...each,
    ask,
    promise: `${each.title}: ${ask.ask}${ask.emit_tombstones ? ', emitting' : ''}`,
  })),
)

test('there are 12 workspaces with 13 trees, and 68 asks', () => {
  expect(NAMES).toHaveLength(12)
  expect(SCOPES).toHaveLength(13)
  expect(ASKS).toHaveLength(68)
})

describe('a workspace that Arco wrote loads to the rows, watermarks and ids that Arco reads', () => {
  test.each(SCOPES)('$title', async (each) => {
    const world = worldOf(each, each.about.emit_tombstones)
    const seen = await world.run(readProjection(world.settings))
    if (!seen.ok) throw new Error(JSON.stringify(seen))
    expect(plainTables(dumpState(seen.state))).toBe(plainTables(each.scope.tables))
    expect(seen.manifest?.watermarks).toMatchObject(each.scope.watermarks)
    expect(seen.manifest?.revision_ulid).toBe(each.scope.manifest.revision_ulid)
    expect(seen.manifest?.manifest_id).toBe(each.scope.manifest.manifest_id)
    expect(seen.delete_channel_problem).toBe(null)
  })
})

describe('what Arco does next on it, Tidemark does: rows, watermarks, ids and counts', () => {
  test.each(ASKS.filter(({ ask }) => ask.answer.ok !== undefined))('$promise', async (each) => {
    const world = worldOf(each, each.ask.emit_tombstones)
    const result = folded(await answerOf(world, each.ask))
    const seen = await world.run(readProjection(world.settings))
    if (!seen.ok) throw new Error(JSON.stringify(seen))
    expect({
      events_processed: result.events_processed,
      manifest_id: result.manifest_id,
      revisions: result.revisions,
      has_delta: result.delta_id !== undefined,
      watermark: seen.manifest?.watermarks.last_visible_event_id,
      schema_version: seen.manifest?.schema_version,
    }).toMatchObject(expectedOf(each))
    await expectTables(world, each)
    expectAccounted(result, each.ask.ask === 'compact_nothing' ? 0 : ledgerOf(world).length)
  })
})

/** What Arco says about its answer; on an empty workspace it says less. */
function expectedOf({ scope, ask }: Case & { readonly ask: ArcoAsk }): object {
  const { ok } = ask.answer
  if (ok === undefined) throw new Error('Arco refused')
  const watermark = ask.watermarks_after?.last_visible_event_id
  const always = { events_processed: ok.events_processed, manifest_id: ok.manifest_id, watermark }
  if (ok.manifest_revision === undefined) return always
  // An empty batch gives a workspace without a pointer one, for the manifest as it is.
  const is_bootstrap = scope.pointer === null && ok.events_processed === 0
  const is_published = is_bootstrap || ok.manifest_revision !== scope.manifest.revision_ulid
  const schema_version = ask.schema_version_after
  return { ...always, revisions: is_published ? 1 : 0, has_delta: ok.delta_id !== null, schema_version }
}

describe('LK-19, Q1: where an orphan snapshot stops every publish of Arco, Tidemark publishes above it', () => {
  test.each(ASKS.filter(({ ask }) => ask.answer.error !== undefined))('$promise', async (each) => {
    expect(each.name).toBe('orch-orphan-snapshot')
    const world = worldOf(each, each.ask.emit_tombstones)
    const orphan = world.text('state/orchestration/manifests/00000000000000000003.json')
    const result = folded(await answerOf(world, each.ask))
    expect(result.manifest_id).toBe('00000000000000000004')
    expect(world.text('state/orchestration/manifests/00000000000000000003.json')).toBe(orphan)
    const from_empty = each.scope.then?.find(({ ask }) => ask === 'one_batch_from_empty')
    expect(from_empty?.tables_after).not.toBe(undefined)
    expect(world.pointer().manifest_id).toBe('00000000000000000004')
    expect((await world.rows())['runs']?.length).toBeGreaterThan(0)
  })
})

test('manifests.md 5: one batch from nothing: witness, range, counts and watermarks are those that Arco wrote', async () => {
  const [each] = SCOPES.filter(({ name }) => name === 'orch-single-batch')
  if (each === undefined) throw new Error('no workspace of one batch')
  const world = worldOf(each, false)
  const arco = world.json(world.pointer().manifest_path) as StoredManifest
  forgetProjection(world)
  folded(await world.compact(ledgerOf(world).toReversed()))
  const ours = world.json(world.pointer().manifest_path) as StoredManifest
  const [ours_delta, arco_delta] = [ours, arco].map(({ l0_deltas: [delta] }) => ({
    event_range: delta?.event_range,
    row_counts: delta?.row_counts,
    deletion_count: delta?.deletion_count,
    tables: Object.keys(delta?.tables ?? {}),
  }))
  expect(ours_delta).toEqual(arco_delta)
  expect(ours.publication_witness).toEqual(arco.publication_witness)
  expect(ours.l0_limits).toEqual(arco.l0_limits)
  const { last_processed_at: _ours, ...our_watermarks } = ours.watermarks
  const { last_processed_at: _arcos, ...arcos_watermarks } = arco.watermarks
  expect(our_watermarks).toEqual(arcos_watermarks)
  expect(Object.keys(ours)).toEqual(Object.keys(arco))
})

/** Members of a stored manifest that are compared. */
interface StoredManifest {
  readonly watermarks: Readonly<Record<string, string>>
  readonly l0_deltas: readonly {
    readonly event_range: object
    readonly row_counts: object
    readonly deletion_count: number
    readonly tables: object
  }[]
  readonly l0_limits: object
  readonly publication_witness: object
}

test('rebuild.md 7: events older than idempotency keys are kept come back, as with Arco, and are counted', async () => {
  const [each] = SCOPES.filter(({ name }) => name === 'orch-retention')
  if (each === undefined) throw new Error('no workspace with retention')
  const world = worldOf(each, true)
  const frontier_ms = ulidTime_ms(each.scope.watermarks.last_committed_event_id ?? '') ?? 0
  const paths = ledgerOf(world)
  const old = paths.filter(
    (path) => (ulidTime_ms(eventIdOfPath(path) ?? '') ?? 0) < frontier_ms - 30 * 86_400_000,
  )
  expect(old.length).toBeGreaterThan(0)
  expect(folded(await world.compact(paths)).accounting.older_than_idempotency_window).toBe(old.length)
  expect(folded(await worldOf(each, true).rebuild(paths)).accounting).toMatchObject({
    older_than_idempotency_window: 0,
    below_floor: paths.length,
  })
})

test('the list that Arco rebuilt from, shuffled and doubled, comes to the state that Arco left', async () => {
  const [before, after] = ['tree-before', 'tree'].map((folder) =>
    SCOPES.find((each) => each.name === 'orch-rebuild' && each.folder === folder),
  )
  if (before === undefined || after === undefined) throw new Error('no rebuild workspace')
  const world = worldOf(before, before.about.emit_tombstones)
  const rebuild_manifest_path = before.about.steps.at(-1)?.rebuild_manifest_path ?? ''
  const result = folded(
    await world.run(rebuild(world.settings, { ...REBUILD_DEFAULTS, rebuild_manifest_path })),
  )
  const arco = before.about.steps.at(-1)?.answer?.ok
  expect(result.events_processed).toBe(arco?.events_processed)
  expect(result.manifest_id).toBe(after.scope.manifest.manifest_id)
  expect(result.accounting.below_floor).toBeGreaterThan(0)
  expect(plainTables(await world.rows())).toBe(plainTables(after.scope.tables))
  expect(result.watermark_after).toBe(after.scope.watermarks.last_visible_event_id)
})

describe('a rebuild from scratch comes to the rows of one batch on an empty workspace', () => {
  test.each(ASKS.filter(({ ask }) => ask.ask === 'one_batch_from_empty'))('$promise', async (each) => {
    const world = worldOf(each, each.ask.emit_tombstones)
    const before = world.pointer() as { manifest_path?: string } | null
    const result = folded(
      await world.rebuild(ledgerOf(world).toReversed(), {
        mode: 'full',
        // The list of the rebuild workspace ends before what is visible there.
        allow_regression: true,
      }),
    )
    expect(result.merged_to_base).toBe(true)
    await expectTables(world, each)
    const manifest = world.json(world.pointer().manifest_path) as Record<string, unknown>
    expect(manifest['previous_manifest_path']).toBe(before?.manifest_path)
  })
})

describe('tombstones unset: a workspace does with removed rows what it did (manifests.md 10)', () => {
  const operations = [
    ['compact', 'compact_whole_ledger', async (world: World) => world.compact(ledgerOf(world))],
    ['rebuild', 'rebuild_whole_ledger', async (world: World) => world.rebuild(ledgerOf(world))],
    [
      'rebuild from scratch',
      'one_batch_from_empty',
      async (world: World) => world.rebuild(ledgerOf(world), { mode: 'full', allow_regression: true }),
    ],
  ] as const
  const cases = SCOPES.flatMap((each) =>
    operations.map(([operation, ask, operate]) => ({
      ...each,
      promise: `${each.title}: ${operation}`,
      operate,
      // What Arco gives, in the mode that the schema says.
      expected: each.scope.then?.find(
        (asked) =>
          asked.ask === ask &&
          asked.answer.ok !== undefined &&
          asked.emit_tombstones === each.scope.manifest.schema_version >= 2,
      ),
    })),
  )

  test('of the 39 cases Arco says for 32 what comes of them', () => {
    expect(cases).toHaveLength(39)
    expect(cases.filter(({ expected }) => expected !== undefined)).toHaveLength(32)
  })

  test.each(cases)('$promise', async (each) => {
    const world = worldOf(each, 'follow')
    const { schema_version } = each.scope.manifest
    const before = deletionsIn(world)
    folded(await each.operate(world))
    const seen = await world.run(readProjection(world.settings))
    if (!seen.ok) throw new Error(JSON.stringify(seen))
    expect(seen.manifest?.schema_version).toBe(schema_version)
    expect(deletionsIn(world) > before).toBe(schema_version >= 2 && hasNewDelta(seen.manifest, each.scope))
    const { expected } = each
    const rows = expected === undefined ? await rowsWithoutOrphans(each) : tablesAfter(each.scope, expected)
    expect([null, plainTables(dumpState(seen.state))]).toContain(rows)
  })

  /** Objects that hold removed keys. */
  function deletionsIn(world: World): number {
    return [...world.store.dump().keys()].filter((key) => /\/deletions\.[0-9a-f]{12}\.json$/.test(key)).length
  }

  /** Arco never publishes above an orphan: what comes of it is what comes of the workspace without one. */
  async function rowsWithoutOrphans(each: (typeof cases)[number]): Promise<string | null> {
    if (each.name !== 'orch-orphan-snapshot') return null
    const world = worldOf(each, 'follow')
    world.store.remove(`${world.prefix}state/orchestration/manifests/00000000000000000003.json`)
    folded(await each.operate(world))
    return plainTables(await world.rows())
  }
})

function hasNewDelta(manifest: Manifest | null, scope: ArcoScope): boolean {
  return manifest?.revision_ulid !== scope.manifest.revision_ulid && (manifest?.l0_deltas.length ?? 0) > 0
}

function tablesAfter(scope: ArcoScope, ask: ArcoAsk): string {
  const changed = ask.tables_after === 'unchanged' ? {} : ask.tables_after
  return plainTables({ ...scope.tables, ...changed })
}

function worldOf({ name, about, scope, folder }: Case, mode: boolean | 'follow'): World {
  return projectionWorld({
    store: memoryWorkspace(readTree(name, folder)),
    scope: { tenant: scope.tenant, workspace: scope.workspace },
    // A moment after Arco wrote it: no layer is old enough for a merge.
    now_ms: Date.parse(scope.manifest.published_at) + 2_000,
    settings: {
      tombstones: mode === 'follow' ? mode : mode ? 'emit' : 'understand',
      terminal_run_days: about.terminal_run_retention_days,
      tenant_secret: new Uint8Array(Buffer.from(about.tenant_secret_hex, 'hex')),
    },
  })
}

function ledgerOf(world: World): string[] {
  const prefix = `${world.prefix}ledger/`
  return [...world.store.dump().keys()]
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(world.prefix.length))
    .toSorted(compareKeys)
}

async function answerOf(world: World, { ask }: ArcoAsk): Promise<{ readonly ok: boolean }> {
  switch (ask) {
    case 'compact_nothing':
      return world.compact([])
    case 'compact_whole_ledger':
    case 'compact_whole_ledger_emit':
      return world.compact(ledgerOf(world))
    case 'rebuild_whole_ledger':
      return world.rebuild(ledgerOf(world))
    case 'one_batch_from_empty':
      forgetProjection(world)
      return world.compact(ledgerOf(world))
  }
}

function forgetProjection(world: World): void {
  for (const key of world.store.dump().keys()) {
    if (key.startsWith(`${world.prefix}state/orchestration/`)) world.store.remove(key)
  }
}

async function expectTables(world: World, { scope, ask }: { scope: ArcoScope; ask: ArcoAsk }): Promise<void> {
  expect(plainTables(await world.rows())).toBe(tablesAfter(scope, ask))
}

/** P14: every listed path is in exactly one bucket. */
function expectAccounted(result: ReturnType<typeof folded>, listed: number): void {
  const { applied, no_effect, duplicate, below_floor, quarantined } = result.accounting
  expect(applied + no_effect + duplicate + below_floor + quarantined).toBe(listed)
}
