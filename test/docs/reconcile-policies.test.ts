/** The policies that let a repair delete: all that it deletes, and nothing that it must not (spec/reconcile.md 9 rule 4). */
import { beforeAll, describe, expect, test } from 'vitest'
import { cleanRebuilds } from '../../lib/protocol/maintenance/projection/clean-rebuilds.ts'
import { LOCK_PATH, POINTER_PATH, RETIRED_MANIFEST_PATH } from '../../lib/protocol/orchestration/paths.ts'
import { documentText } from '../support/documents.ts'
import { eventsAt } from '../support/projection-events.ts'
import { folded } from '../support/projection-world.ts'
import { OLD_MS, reconcileWorld } from '../support/reconcile-world.ts'

const STATE = 'state/orchestration'
const KEPT = [
  POINTER_PATH,
  RETIRED_MANIFEST_PATH,
  LOCK_PATH,
  'ledger/orchestration/2026-02-21/x.json',
  'delta/staging/x/y.json',
]

const filled = (name: string): unknown =>
  JSON.parse(
    documentText(`docs/deploy/policies/${name}.json`)
      .replaceAll('BUCKET', 'lake')
      .replaceAll('TENANT', 'acme')
      .replaceAll('WORKSPACE', 'prod'),
  )

/** Paths that a repair and a cleanup delete. */
const deleted: string[] = []
beforeAll(async () => {
  const world = reconcileWorld({
    wrap_maintenance: (store) => ({
      ...store,
      async delete(path, options) {
        deleted.push(path)
        return store.delete(path, options)
      },
    }),
  })
  folded(await world.compact(world.append(eventsAt(0, 2))))
  const day_ms = 86_400_000
  for (const path of ['manifests/00000000000000000009.json', 'base/01JA/a.parquet', 'l0/01JA/b/c.parquet']) {
    world.plant(`${STATE}/${path}`, 'x', OLD_MS)
  }
  world.plant(`${STATE}/rebuilds/a/b.json`, 'x', 40 * day_ms)
  await world.reconcile()
  await world.maintain(cleanRebuilds(world.settings, { age_ms: 30 * day_ms }))
})

describe('policies/s3-reconcile.json', () => {
  const { Statement: statements } = filled('s3-reconcile') as {
    Statement: { Effect: string; Action: string[]; Resource: string[] }[]
  }
  const allows = (path: string): boolean =>
    statements.some(({ Resource }) =>
      Resource.some((pattern) =>
        `arn:aws:s3:::lake/tenant=acme/workspace=prod/${path}`.startsWith(pattern.slice(0, -1)),
      ),
    )

  test('allows to delete what a repair deletes, and no more', () => {
    expect(statements.map(({ Effect, Action }) => [Effect, Action])).toEqual([['Allow', ['s3:DeleteObject']]])
    expect(statements.flatMap(({ Resource }) => Resource).every((pattern) => pattern.endsWith('/*'))).toBe(
      true,
    )
    expect(deleted.map((path) => [path, allows(path)])).toEqual(deleted.map((path) => [path, true]))
    expect(deleted).toHaveLength(4)
    expect(KEPT.filter(allows)).toEqual([])
  })
})

describe('policies/gcs-reconcile.json', () => {
  const { bindings } = filled('gcs-reconcile') as {
    bindings: { role: string; condition: { expression: string } }[]
  }
  const [{ role, condition } = { role: '', condition: { expression: '' } }] = bindings
  const prefixes = Array.from(
    condition.expression.matchAll(/startsWith\('([^']+)'\)/g),
    ([, prefix = '']) => prefix,
  )
  const allows = (path: string): boolean =>
    prefixes.some((prefix) =>
      `projects/_/buckets/lake/objects/tenant=acme/workspace=prod/${path}`.startsWith(prefix),
    )

  test('allows to delete what a repair deletes, and no more', () => {
    expect([bindings.length, role]).toEqual([1, 'roles/storage.objectUser'])
    expect(deleted.map((path) => [path, allows(path)])).toEqual(deleted.map((path) => [path, true]))
    expect(deleted).toHaveLength(4)
    expect(KEPT.filter(allows)).toEqual([])
  })
})
