/**
 * Whether removed rows are recorded (spec/manifests.md 10). A writer that does not know deletions drops their members
 * when it rewrites a manifest and keeps the number of its schema: the contradiction shows what it did.
 */
import { SCHEMA_VERSION_MAX, type Manifest } from './manifest.ts'
import type { ProjectionSettings } from './settings.ts'

/** `emit`: removed rows are recorded, and what is old expires. `understand`: they are only honoured. */
export type TombstoneMode = 'emit' | 'understand'

/** What this deployment does to this workspace. Unset, it follows the data: old workspaces stay as they are. */
export function tombstoneMode(
  setting: ProjectionSettings['tombstones'],
  manifest: Manifest | null,
): TombstoneMode {
  if (setting !== 'follow') return setting
  return manifest === null || manifest.schema_version >= 2 ? 'emit' : 'understand'
}

/** Why no compaction may touch this manifest, or null. */
export function deleteChannelProblem(manifest: Manifest, mode: TombstoneMode): string | null {
  const { schema_version } = manifest
  if (schema_version > SCHEMA_VERSION_MAX) {
    return `manifest schema_version ${schema_version} is newer than the supported ${SCHEMA_VERSION_MAX}`
  }
  if (schema_version < 2) return null
  if (!hasAllMarkers(manifest)) {
    return 'the manifest was stripped by a writer that does not know deletions: rebuild with mode "full"'
  }
  return mode === 'emit'
    ? null
    : 'the workspace records deletions and this writer is told not to: set ARCO_ORCH_DELTA_TOMBSTONES=emit'
}

/** Declares the delete channel once every layer has it (10, marker completeness). */
export function withDeleteChannel(manifest: Manifest, mode: TombstoneMode): Manifest {
  if (mode === 'understand' || !hasAllMarkers(manifest)) return manifest
  return { ...manifest, schema_version: Math.max(manifest.schema_version, 2) }
}

function hasAllMarkers({ l0_deltas, base_snapshot }: Manifest): boolean {
  return (
    l0_deltas.every(({ deletions }) => deletions !== null) &&
    (base_snapshot.snapshot_id === null || base_snapshot.delete_channel_version >= 1)
  )
}
