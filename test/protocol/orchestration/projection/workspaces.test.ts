import { describe, expect, test } from 'vitest'
import { POINTER_PATH } from '../../../../lib/protocol/orchestration/paths.ts'
import { readProjection } from '../../../../lib/protocol/orchestration/projection/read.ts'
import { compareKeys } from '../../../../lib/store/keys.ts'
import { scopePrefix } from '../../../../lib/store/scoped.ts'
import { arcoWorkspace, plainTables, type ArcoAsk, type ArcoScope, type ArcoWorkspace } from '../../../support/arco-projections.ts'
import { dumpState } from '../../../support/projection.ts'
import { folded, projectionWorld, type World } from '../../../support/projection-world.ts'
import { memoryWorkspace, readTree, workspaceNames } from '../../../support/workspace.ts'

const NAMES = workspaceNames('orch-')

function worldOf(name: string, about: ArcoWorkspace, scope: ArcoScope, emit: boolean): World {
  const store = memoryWorkspace(readTree(name))
  return projectionWorld({
    store,
    scope: { tenant: scope.tenant, workspace: scope.workspace },
    // A moment after Arco wrote it: no layer is old enough for a merge.
    now_ms: Date.parse(scope.manifest.published_at) + 2_000,
    settings: {
      tombstones: emit ? 'emit' : 'understand',
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

describe.each(NAMES)('%s', (name) => {
  const about = arcoWorkspace(name)
  for (const scope of about.scopes) {
    const title = scopePrefix(scope)
    test(`${title}: loads to the rows, watermarks and ids of Arco`, async () => {
      const world = worldOf(name, about, scope, about.emit_tombstones)
      const seen = await world.run(readProjection(world.settings))
      if (!seen.ok) throw new Error(JSON.stringify(seen))
      expect(plainTables(dumpState(seen.state))).toBe(plainTables(scope.tables))
      expect(seen.manifest?.watermarks).toMatchObject(scope.watermarks)
      expect(seen.manifest?.revision_ulid).toBe(scope.manifest.revision_ulid)
      expect(seen.manifest?.manifest_id).toBe(scope.manifest.manifest_id)
    })
    for (const ask of scope.then.filter((each) => each.ask !== 'rebuild_whole_ledger')) {
      test(`${title}: ${ask.ask}${ask.emit_tombstones ? ', emitting' : ''}, as Arco does`, async () => {
        await expectAsk(name, about, scope, ask)
      })
    }
  }
})

async function expectAsk(name: string, about: ArcoWorkspace, scope: ArcoScope, ask: ArcoAsk): Promise<void> {
  const world = worldOf(name, about, scope, ask.emit_tombstones)
  const paths = ask.ask === 'compact_nothing' ? [] : ledgerOf(world)
  if (ask.ask === 'one_batch_from_empty') {
    for (const key of world.store.dump().keys()) if (key.includes('/state/orchestration/')) world.store.remove(key)
  }
  const result = await world.compact(paths)
  console.log(name, ask.ask, JSON.stringify(ask.answer).slice(0, 200), JSON.stringify(result).slice(0, 300))
  const answer = folded(result)
  expect(answer.events_processed).toBe(ask.answer.ok?.events_processed)
  expect(answer.manifest_id).toBe(ask.answer.ok?.manifest_id)
  expect(plainTables(await world.rows())).toBe(
    plainTables(ask.tables_after === 'unchanged' ? scope.tables : { ...scope.tables, ...ask.tables_after }),
  )
}
void POINTER_PATH
