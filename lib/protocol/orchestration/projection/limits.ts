/** Bounds of the projection engine, with the section that fixes each; the others are ours. */

/** Read limits by object class (spec/storage.md 8, spec/correctness.md S19). */
export const POINTER_BYTES_MAX = 64 * 1024
export const REBUILD_MANIFEST_BYTES_MAX = 64 * 1024 * 1024
export const EVENT_BYTES_MAX = 1024 * 1024
/** A manifest of the reference holds its whole batch as witness: 200 bytes an event (rebuild.md RB-17). */
export const MANIFEST_BYTES_MAX = 64 * 1024 * 1024
export const DELETIONS_BYTES_MAX = 256 * 1024 * 1024
export const ARTIFACT_BYTES_MAX = 1024 * 1024 * 1024
export const CHUNK_RECORD_BYTES_MAX = 16 * 1024 * 1024

/** Paths of one rebuild, over all its lists (S19). */
export const REBUILD_PATHS_MAX = 1_000_000
/** Characters of one listed path (S19). */
export const PATH_CHARS_MAX = 512
/** Lists that a manifest of manifests may name. */
export const REBUILD_PARTS_MAX = 10_000

/** Refused events that one answer names; the rest is only counted as "and more" (S19: fail fast after the first N). */
export const REFUSED_EVENTS_MAX = 1_000

/** A batch of more events carries no witness: its lineage cannot be proven, and no reader pays for it (RB-17). */
export const WITNESS_EVENTS_MAX = 5_000

/** Ids that a publish skips because other bytes lie there (correctness.md Q1). */
export const SKIPPED_IDS_MAX = 64

/** Attempts of one publish, each from a fresh head, and the pauses before them, ms (manifests.md 14). */
export const ATTEMPT_PAUSES_MS = [0, 0, 5, 25] as const

/** Re-sends of one conditional put after `unknown` or `no_effect`, each after a look (spec/storage.md 9). */
export const RESENDS_MAX = 3

/** Steps back along `previous_manifest_path` when looking for a manifest of ours (Q3). */
export const CHAIN_STEPS_MAX = 1_000

/** How long a client should wait before it repeats a request that lost a race or met a busy store. */
export const RETRY_AFTER_MS = 1_000
