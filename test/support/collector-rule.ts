/**
 * A rule of the collector as two tests: the code that ships keeps it, and the variant without that guard does not, so that
 * the first test could have failed (spec/correctness.md 8, 9.9). And what their schedules begin with.
 */
import { describe, expect, test } from 'vitest'
import type { CompactResult } from '../../lib/protocol/orchestration/projection/outcomes.ts'
import { SteppedMaintenance } from './maintenance-stepper.ts'
import { eventsAt } from './projection-events.ts'
import { folded } from './projection-world.ts'
import {
  COLLECTOR_VARIANTS,
  SHIPPED_COLLECTOR,
  withCollectorVariant,
  type CollectorCode,
  type CollectorVariantId,
} from './reconcile-variants.ts'
import { OLD_MS, reconcileWorld, type ReconcileWorld, type ReconcileWorldOptions } from './reconcile-world.ts'
import { Stepped } from './stepper.ts'

/** Where manifests lie. */
export const MANIFESTS = 'state/orchestration/manifests/'
/** An orphan of each kind. */
export const ORPHAN_MANIFEST = `${MANIFESTS}00000000000000000007.json`
/** A folder of a base. */
export const ORPHAN_BASE = 'state/orchestration/base/01JORPHANBASE00000000000AA'
/** A folder of a delta. */
export const ORPHAN_DELTA = 'state/orchestration/l0/01JORPHANDELTA0000000000AA'

/** Makes a world for the collector under test. */
export type MakeWorld = (options?: ReconcileWorldOptions) => ReconcileWorld

/** A rule, and how the variant without it shows: the message of the error that ends the check. */
export function collectorRule(
  {
    promise,
    wrong,
    shows = /^expected .* to (match object|deeply equal|be|have a length)/,
  }: { promise: string; wrong: CollectorVariantId; shows?: RegExp },
  holds: (make: MakeWorld, code: CollectorCode) => Promise<void>,
): void {
  const on = async (code: CollectorCode): Promise<void> =>
    holds((options) => reconcileWorld({ ...options, reconciler: code }), code)
  describe(`${promise}`, () => {
    test('the code that ships', async () => on(SHIPPED_COLLECTOR))

    test(`the wrong variant is caught: ${COLLECTOR_VARIANTS[wrong].breaks}`, async () => {
      await expect(withCollectorVariant(wrong, on)).rejects.toThrow(shows)
    })
  })
}

/** A workspace with one revision. */
export async function published(world: ReconcileWorld, count = 1): Promise<string[]> {
  const paths = world.append(eventsAt(1, 6))
  for (const path of paths.slice(0, count)) folded(await world.compact([path]))
  return paths
}

/** An old orphan of every kind. */
export function plantOrphans(world: ReconcileWorld, age_ms: number): void {
  world.plant(ORPHAN_MANIFEST, 'not even JSON', age_ms)
  world.plant(`${ORPHAN_BASE}/runs.0a1b2c3d4e5f.parquet`, 'base', age_ms)
  world.plant(`${ORPHAN_DELTA}/runs.0a1b2c3d4e5f.parquet`, 'delta', age_ms)
  world.plant(`${ORPHAN_DELTA}/catalog_run_index/org-1.0a1b2c3d4e5f.parquet`, 'by org', age_ms)
}

/** A publisher that has written its manifest and stalls before the pointer; a long time passes. */
export async function stalled(world: ReconcileWorld, code: CollectorCode): Promise<Stepped<CompactResult>> {
  const [, two = ''] = await published(world)
  const publisher = await Stepped.start(
    code.compact(world.settings, { event_paths: [two], fencing_token: null }),
    world.env,
  )
  await publisher.run('put pointer')
  world.pass(OLD_MS)
  return publisher
}

/** A repair that waits at its first operation. */
export async function collecting(world: ReconcileWorld): Promise<SteppedMaintenance<unknown>> {
  return SteppedMaintenance.start(world.reconciling(), world.maintenance_env)
}

/** P1, P12: what readers resolve is there and is what its manifest says. Throws when it is not. */
export async function checkReaders(world: ReconcileWorld): Promise<void> {
  await world.rows()
}
