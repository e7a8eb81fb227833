/** Verify of the projection: nothing to say about what is well, and every damage named (spec/reconcile.md RC-6, RC-10, RC-13). */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { LOCK_PATH, POINTER_PATH } from '../../../../lib/protocol/orchestration/paths.ts'
import type { Finding } from '../../../../lib/protocol/maintenance/finding.ts'
import type { Failure } from '../../../../lib/protocol/orchestration/projection/outcomes.ts'
import {
  verifyProjection,
  type VerifiedPage,
} from '../../../../lib/protocol/maintenance/projection/verify.ts'
import { reconcileSettings } from '../../../../lib/protocol/maintenance/projection/settings.ts'
import { runMaintenance } from '../../../../lib/protocol/maintenance/run.ts'
import { scopedMaintenanceStore } from '../../../../lib/store/scoped.ts'
import { eventAt, eventsAt, idAt, runOfTasks, unknownAt } from '../../../support/projection-events.ts'
import { folded } from '../../../support/projection-world.ts'
import { OLD_MS, reconcileWorld, type ReconcileWorld } from '../../../support/reconcile-world.ts'
import { memoryWorkspace, readTree, workspaceNames } from '../../../support/workspace.ts'

/** Every finding, page by page. */
async function verify(world: ReconcileWorld, limit = 1_000): Promise<{ findings: Finding[]; pages: number }> {
  const findings: Finding[] = []
  let cursor: string | null = null
  let pages = 0
  do {
    const page: VerifiedPage | Failure = await world.maintain(
      verifyProjection(world.reconcile_settings, { cursor, limit }),
    )
    if (!page.ok) throw new Error(`refused: ${JSON.stringify(page)}`)
    findings.push(...page.findings)
    cursor = page.next_cursor
    pages += 1
  } while (cursor !== null)
  return { findings, pages }
}

async function rulesOf(world: ReconcileWorld): Promise<string[]> {
  return (await verify(world)).findings.map(({ rule }) => rule)
}

/** A base, two deltas with deletions between them, rows in most tables. */
async function rich(): Promise<ReconcileWorld> {
  const world = reconcileWorld()
  const paths = world.append([...eventsAt(1, 12), ...runOfTasks(1, 20), ...eventsAt(40, 42)])
  for (let at = 0; at < 11; at++) folded(await world.compact(paths.slice(at, at + 1)))
  folded(await world.compact(paths.slice(11, 15)))
  folded(await world.compact(paths.slice(15)))
  world.pass(OLD_MS)
  return world
}

interface StoredManifest {
  manifest_id: string
  epoch: number
  previous_manifest_path?: string
  schema_version: number
  watermarks: Record<string, string>
  base_snapshot: { tables: Record<string, Ref> }
  l0_deltas: {
    delta_id: string
    tables: Record<string, Ref>
    row_counts: Record<string, number>
    deletions: Ref
    deletion_count: number
    event_range: { from_event: string; to_event: string }
  }[]
  l0_count: number
}

interface Ref {
  path: string
  checksum_sha256: string
  byte_size: number
}

/** Change the visible manifest in place. */
function edit(world: ReconcileWorld, change: (manifest: StoredManifest) => void): void {
  const { manifest_path } = world.pointer()
  const manifest = world.json(manifest_path) as StoredManifest
  change(manifest)
  world.write(manifest_path, JSON.stringify(manifest))
}

function refsOf(world: ReconcileWorld): Ref[] {
  const { base_snapshot, l0_deltas } = world.json(world.pointer().manifest_path) as StoredManifest
  const layers = [base_snapshot, ...l0_deltas]
  const tables = layers.flatMap(({ tables: { catalog_run_index_by_org, ...own } }) => [
    ...Object.values(own),
    ...Object.values((catalog_run_index_by_org ?? {}) as unknown as Record<string, Ref>),
  ])
  return [...tables, ...l0_deltas.map(({ deletions }) => deletions)]
}

function bytesOf(world: ReconcileWorld, path: string): Uint8Array {
  return world.store.peek(world.prefix + path)?.bytes ?? new Uint8Array()
}

describe('what is well', () => {
  test('has no finding, in one page or in many', async () => {
    const world = await rich()
    expect(await verify(world)).toEqual({ findings: [], pages: 1 })
    const paged = await verify(world, 1)
    expect(paged.findings).toEqual([])
    expect(paged.pages).toBeGreaterThan(20)
  })

  test('an empty workspace says that it is one', async () => {
    const world = reconcileWorld()
    expect(await rulesOf(world)).toEqual(['PJ-107'])
  })

  test('nothing is written, and nothing outside of the scope is asked for', async () => {
    const world = await rich()
    const before = world.store.dump()
    await verify(world)
    expect(world.store.dump()).toEqual(before)
  })

  test.each(workspaceNames('orch-'))('%s, as Arco left it', async (name) => {
    const tree = readTree(name)
    const store = memoryWorkspace(tree)
    const world = reconcileWorld({ scope: tree.scope, now_ms: Date.UTC(2026, 1, 21, 12) })
    const page = await runMaintenance(
      verifyProjection(reconcileSettings(tree.scope), { cursor: null, limit: 100_000 }),
      { ...world.maintenance_env, store: scopedMaintenanceStore(store, tree.scope) },
    )
    if (!page.ok) throw new Error(JSON.stringify(page))
    const rules = page.findings.filter(({ severity }) => severity !== 'info').map(({ rule }) => rule)
    expect(countsOf(rules)).toEqual(ARCO_FINDINGS[name] ?? {})
  })
})

/** What is wrong in Arco's samples, by their README: events that a crash left unfolded, and those that its rebuild skips. */
const ARCO_FINDINGS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'orch-orphan-snapshot': { 'PJ-403': 1 },
  'orch-rebuild': { 'PJ-404': 21 },
}

function countsOf(rules: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const rule of rules) counts[rule] = (counts[rule] ?? 0) + 1
  return counts
}

describe('RC-10: artifacts of the visible manifest', () => {
  test('each one that is missing, cut, changed or not what it says is named first, and the others are looked at', async () => {
    const world = await rich()
    const refs = refsOf(world)
    expect(refs.length).toBeGreaterThan(25)
    for (const { path } of refs) {
      const bytes = bytesOf(world, path)
      const flipped = bytes.slice()
      flipped[Math.floor(bytes.length / 2)] = (flipped[Math.floor(bytes.length / 2)] ?? 0) ^ 1
      const damages: [string, Uint8Array | null][] = [
        ['PJ-301', null],
        ['PJ-302', bytes.slice(0, -1)],
        ['PJ-302', new Uint8Array([...bytes, 0])],
        ['PJ-303', flipped],
      ]
      for (const [rule, damaged] of damages) {
        if (damaged === null) world.store.remove(world.prefix + path)
        else world.store.seed(world.prefix + path, damaged)
        const { findings } = await verify(world)
        expect(findings.map((each) => [each.rule, each.path])).toEqual([
          [rule, path],
          ['PJ-901', world.pointer().manifest_path],
        ])
        expect(findings[0]?.next).toMatch(/POST \/rebuild/)
      }
      world.store.seed(world.prefix + path, bytes)
    }
    expect(await rulesOf(world)).toEqual([])
  })

  test('PJ-304: one that does not decode though its hash is right', async () => {
    const world = await rich()
    for (const [at, rule] of ['base', 'delta', 'deletions'].entries()) {
      const before = world.text(world.pointer().manifest_path) ?? ''
      edit(world, ({ base_snapshot, l0_deltas }) => {
        const ref = [
          base_snapshot.tables['runs'],
          l0_deltas[0]?.tables['tasks'] ?? l0_deltas[0]?.tables['runs'],
          l0_deltas[0]?.deletions,
        ][at]
        if (ref === undefined) throw new Error(`no ${rule}`)
        const garbage = new TextEncoder().encode('PAR1 is not enough PAR1')
        world.store.seed(`${world.prefix}${ref.path}.bad`, garbage)
        Object.assign(ref, {
          path: `${ref.path}.bad`,
          checksum_sha256: `sha256:${createHash('sha256').update(garbage).digest('hex')}`,
          byte_size: garbage.length,
        })
      })
      expect((await rulesOf(world)).slice(0, 1)).toEqual(['PJ-304'])
      world.write(world.pointer().manifest_path, before)
    }
  })

  test('PJ-305: counts of rows and of deleted keys', async () => {
    const world = await rich()
    edit(world, ({ l0_deltas: [delta] }) => {
      if (delta === undefined) throw new Error('expected a delta')
      delta.row_counts['runs'] = (delta.row_counts['runs'] ?? 0) + 1
      delta.row_counts['schedule_ticks'] = 3
      delta.deletion_count += 1
    })
    const { findings } = await verify(world)
    expect(findings.map(({ rule }) => rule)).toEqual(['PJ-305', 'PJ-305', 'PJ-305'])
    expect(findings.map(({ detail }) => detail).join()).toMatch(
      /rows of runs.*rows of schedule_ticks.*deleted keys/s,
    )
  })

  test('PJ-306: a reference of an early version is read without a hash', async () => {
    const world = await rich()
    edit(world, ({ base_snapshot }) => {
      const ref = base_snapshot.tables['runs']
      if (ref !== undefined) base_snapshot.tables['runs'] = ref.path as unknown as Ref
    })
    expect(await rulesOf(world)).toEqual(['PJ-306'])
  })
})

describe('pointer, head and chain', () => {
  test('RC-6: a pointer that does not parse is told first, and the rest is looked at', async () => {
    const world = await rich()
    world.write(POINTER_PATH, '{"manifest_path": 7}')
    const { findings } = await verify(world)
    expect(findings[0]).toMatchObject({ rule: 'PJ-101', severity: 'error', path: POINTER_PATH })
    expect(findings.map(({ rule }) => rule)).toEqual(['PJ-101', 'RC-201'])
  })

  test.each([
    ['PJ-103', (world: ReconcileWorld, path: string) => world.store.remove(world.prefix + path)],
    ['PJ-104', (world: ReconcileWorld, path: string) => world.write(path, '{')],
  ] as const)('%s: the visible manifest', async (rule, damage) => {
    const world = await rich()
    const { manifest_path } = world.pointer()
    damage(world, manifest_path)
    const { findings } = await verify(world)
    expect(findings[0]).toMatchObject({ rule, path: manifest_path })
    expect(findings.map((each) => each.rule)).toEqual([rule, 'RC-201'])
  })

  test('RC-5, PJ-102: manifests and no pointer', async () => {
    const world = await rich()
    world.store.remove(world.prefix + POINTER_PATH)
    expect((await verify(world)).findings[0]).toMatchObject({ rule: 'PJ-102', path: POINTER_PATH })
  })

  test.each([
    ['PJ-201', (world: ReconcileWorld, path: string) => world.store.remove(world.prefix + path)],
    ['PJ-202', (world: ReconcileWorld, path: string) => world.write(path, '{}')],
  ] as const)(
    'RC-6: %s: an ancestor, in any page, and the artifacts are still looked at',
    async (rule, damage) => {
      const world = await rich()
      const path = 'state/orchestration/manifests/00000000000000000005.json'
      damage(world, path)
      const [ref] = refsOf(world)
      world.store.remove(world.prefix + (ref?.path ?? ''))
      for (const limit of [1, 1_000]) {
        const rules = (await verify(world, limit)).findings.map((each) => each.rule)
        expect(rules).toContain(rule)
        expect(rules).toContain('PJ-301')
        expect(rules.filter((each) => each === rule)).toHaveLength(1)
      }
    },
  )

  test('PJ-203, PJ-204: ids and epochs that increase on the way back, a manifest under another name', async () => {
    const world = await rich()
    const path = 'state/orchestration/manifests/00000000000000000005.json'
    const text = world.text(path) ?? ''
    world.write(
      path,
      text.replace('"manifest_id": "00000000000000000005"', '"manifest_id": "00000000000000000050"'),
    )
    expect(await rulesOf(world)).toEqual(['PJ-204', 'PJ-203'])
    world.write(path, text.replace(/"epoch": \d+/, '"epoch": 999'))
    expect(await rulesOf(world)).toEqual(['PJ-203'])
  })

  test('a chain that is a circle ends', async () => {
    const world = await rich()
    const path = 'state/orchestration/manifests/00000000000000000002.json'
    const text = world.text(path) ?? ''
    const back = 'state/orchestration/manifests/00000000000000000009.json'
    world.write(
      path,
      text.replace(/"previous_manifest_path": "[^"]+"/, `"previous_manifest_path": "${back}"`),
    )
    expect(await rulesOf(world)).toContain('PJ-203')
  })

  test('PJ-105, PJ-106, PJ-307, PJ-308: what pointer and manifest say of each other', async () => {
    const world = await rich()
    const pointer = world.text(POINTER_PATH) ?? ''
    world.write(POINTER_PATH, pointer.replace(/"epoch": \d+/, '"epoch": 99'))
    expect(await rulesOf(world)).toEqual(['PJ-106', 'PJ-502'])
    world.write(
      POINTER_PATH,
      pointer.replace(/"manifest_id": "0+\d+"/, '"manifest_id": "00000000000000000077"'),
    )
    expect(await rulesOf(world)).toEqual(['PJ-105', 'PJ-106'])
    world.write(POINTER_PATH, pointer)
    edit(world, (manifest) => {
      manifest.l0_count = 7
      manifest.schema_version = 3
    })
    expect(await rulesOf(world)).toEqual(['PJ-308', 'PJ-307'])
  })

  test('PJ-401, PJ-402: watermarks', async () => {
    const world = await rich()
    const last =
      (world.json(world.pointer().manifest_path) as StoredManifest).watermarks['last_processed_file'] ?? ''
    world.store.remove(world.prefix + last)
    expect(await rulesOf(world)).toEqual(['PJ-402'])
    edit(world, ({ watermarks }) => {
      watermarks['last_visible_event_id'] = '7ZZZZZZZZZZZZZZZZZZZZZZZZZ'
      watermarks['last_processed_file'] = last.replace(/[^/]+$/, `${idAt(1)}.json`)
    })
    expect(await rulesOf(world)).toEqual(['PJ-401', 'PJ-401', 'PJ-401'])
  })

  test('PJ-501, PJ-503: the lock', async () => {
    const world = await rich()
    const record = world.json(LOCK_PATH) as object
    world.write(
      LOCK_PATH,
      JSON.stringify({ ...record, expiresAt: '2026-02-21T23:00:00Z', operation: 'compact' }),
    )
    const { findings } = await verify(world)
    expect(findings).toMatchObject([{ rule: 'PJ-503', severity: 'info' }])
    world.write(LOCK_PATH, '[]')
    expect((await verify(world)).findings[0]?.next).toMatch(/force-break \{"reason":"…","sequence":\d+\}/)
  })
})

describe('RC-13: the ledger', () => {
  test('PJ-403: events above the watermark, with the request that folds them', async () => {
    const world = await rich()
    const paths = world.append(eventsAt(50, 53))
    const { findings } = await verify(world)
    expect(findings).toMatchObject([{ rule: 'PJ-403', path: paths[0] }])
    expect(findings[0]?.next).toBe(`POST /compact ${JSON.stringify({ event_paths: paths })}`)
    folded(await world.compact(paths))
    expect(await rulesOf(world)).toEqual([])
  })

  test('P14, PJ-404: a straggler below the watermark, and compacting it resolves it', async () => {
    const world = await rich()
    const [path = ''] = world.append([eventAt(15)])
    const { findings } = await verify(world)
    expect(findings).toMatchObject([
      { rule: 'PJ-404', severity: 'error', path, next: `POST /compact {"event_paths":["${path}"]}` },
    ])
    folded(await world.compact([path]))
    expect(await rulesOf(world)).toEqual([])
  })

  test('PJ-408: one that was refused because it came too early would be applied now, which is no fault', async () => {
    const world = await rich()
    const tasks = world.append(runOfTasks(9, 70))
    folded(await world.compact([...tasks.slice(2), ...world.append([unknownAt(90)])]))
    folded(await world.compact(tasks.slice(0, 2)))
    const { findings } = await verify(world)
    expect(findings).toMatchObject([{ rule: 'PJ-408', severity: 'info', path: tasks[2] }, { rule: 'PJ-408' }])
    folded(await world.compact(tasks.slice(2)))
    expect(await rulesOf(world)).toEqual([])
  })

  test('events that fold to nothing are no stragglers: unknown kinds, keys that are taken', async () => {
    const world = await rich()
    const twin = { ...eventAt(3), event_id: idAt(16) }
    world.append([unknownAt(15), twin])
    expect(await rulesOf(world)).toEqual([])
  })

  test('PJ-407: older than idempotency keys are kept, nobody can tell', async () => {
    const world = await rich()
    const old = world.append([eventAt(15), eventAt(16)])
    const late = eventAt(40 * 24 * 3_600)
    folded(await world.compact(world.append([late])))
    const { findings } = await verify(world)
    const told = findings.filter(({ rule }) => rule === 'PJ-407')
    expect(told).toHaveLength(1)
    expect(told[0]).toMatchObject({ severity: 'info' })
    expect(old).toHaveLength(2)
    expect(findings.map(({ rule }) => rule)).not.toContain('PJ-404')
  })

  test('PJ-405, PJ-406: what is no event, and events that nobody can fold', async () => {
    const world = await rich()
    world.write('ledger/orchestration/README.md', 'notes')
    const broken = `ledger/orchestration/2026-02-21/${idAt(60)}.json`
    world.write(broken, '{')
    const foreign = world.append([eventAt(61, { tenant_id: 'other' })])
    const { findings } = await verify(world)
    expect(findings.map(({ rule, path }) => [rule, path])).toEqual([
      ['PJ-406', broken],
      ['PJ-406', foreign[0]],
      ['PJ-405', 'ledger/orchestration/README.md'],
    ])
  })

  test('RC-11: pages of the ledger and of every other stage find the same', async () => {
    const world = await rich()
    world.append([eventAt(15), ...eventsAt(50, 53)])
    world.plant('state/orchestration/l0/01JORPHANDELTA0000000000AA/runs.0a1b2c3d4e5f.parquet', 'x', OLD_MS)
    const all = (await verify(world)).findings.map(({ rule }) => rule).toSorted()
    const paged = await verify(world, 7)
    expect([...new Set(paged.findings.map(({ rule }) => rule))].toSorted()).toEqual([...new Set(all)])
    expect(paged.pages).toBeGreaterThan(5)
  })
})

describe('what is suggested resolves it', () => {
  test.each<[string, (world: ReconcileWorld) => void]>([
    ['PJ-101', (world) => world.write(POINTER_PATH, '{')],
    ['PJ-103', (world) => world.store.remove(world.prefix + world.pointer().manifest_path)],
    ['PJ-104', (world) => world.write(world.pointer().manifest_path, '{}')],
    ['PJ-301', (world) => world.store.remove(world.prefix + (refsOf(world)[0]?.path ?? ''))],
    [
      'PJ-303',
      (world) => world.write(refsOf(world)[0]?.path ?? '', 'x'.repeat(refsOf(world)[0]?.byte_size ?? 0)),
    ],
    [
      'PJ-308',
      (world) => {
        edit(world, ({ l0_deltas: [delta] }) => Reflect.deleteProperty(delta ?? {}, 'deletions'))
      },
    ],
    [
      'PJ-401',
      (world) => {
        edit(world, ({ watermarks }) => Object.assign(watermarks, { events_processed_through: idAt(1) }))
      },
    ],
  ])('%s: a rebuild from scratch, and a repair', async (rule, damage) => {
    const world = await rich()
    const events = world.paths('ledger/')
    damage(world)
    const before = (await verify(world)).findings.find((each) => each.rule === rule)
    expect(before?.next).toContain('"mode":"full"')
    folded(await world.rebuild(events, { mode: 'full' }))
    world.pass(OLD_MS)
    await world.reconcile()
    expect((await verify(world)).findings).toEqual([])
  })
})

test('a cursor that is none of ours is refused', async () => {
  const world = await rich()
  for (const cursor of [
    '',
    'x',
    btoa('{"stage":"moon"}'),
    btoa('{"stage":"ledger","manifest_path":"../x","after":""}'),
  ]) {
    expect(
      await world.maintain(verifyProjection(world.reconcile_settings, { cursor, limit: 10 })),
    ).toMatchObject({
      ok: false,
      reason: 'bad_request',
    })
  }
})
