/** Small steps that schedules of the projection share. */
import { manifestPath } from '../../lib/protocol/orchestration/paths.ts'
import type { CompactResult, RebuildResult } from '../../lib/protocol/orchestration/projection/outcomes.ts'
import { REBUILD_DEFAULTS, type RebuildRequest } from '../../lib/protocol/orchestration/projection/rebuild.ts'
import { idText } from '../../lib/protocol/orchestration/projection/manifest-id.ts'
import type { World } from './projection-world.ts'
import { Stepped } from './stepper.ts'

/** Longer than a lease and what clocks may differ, ms. */
export const LEASE_OVER_MS = 32_000

/** A compaction that waits at its first operation. */
export async function compacting(
  { protocol, settings, env }: World,
  event_paths: readonly string[],
): Promise<Stepped<CompactResult>> {
  return Stepped.start(protocol.compact(settings, { event_paths, fencing_token: null }), env)
}

/** A rebuild from a stored list that waits at its first operation. */
export async function rebuilding(
  { protocol, settings, env }: World,
  request: Partial<RebuildRequest> & { readonly rebuild_manifest_path: string },
): Promise<Stepped<RebuildResult>> {
  return Stepped.start(protocol.rebuild(settings, { ...REBUILD_DEFAULTS, ...request }), env)
}

/** Names of the runs that readers see, in order. */
export async function runsOf(world: World): Promise<string[]> {
  const rows = await world.rows()
  return (rows['runs'] ?? []).map(([key]) => key)
}

/** The token of whoever holds the lock, or held it last. */
export function tokenIn(world: World): number {
  return (world.json('locks/orchestration.compaction.lock.json') as { sequenceNumber: number }).sequenceNumber
}

/** The path of the n-th manifest. */
export function manifestAt(number: number): string {
  return manifestPath(idText(number))
}
