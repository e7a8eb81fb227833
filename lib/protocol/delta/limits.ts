/** Constants of the commit protocol, with the spec section that fixes each (spec/coordinator.md 12). */

/** Reservation TTL [COMPAT]. It bounds waiting, never correctness (R12). */
export const RESERVATION_TTL_MS = 300_000

/** Decision and CAS attempts of one request, all loops together (R22). */
export const ATTEMPTS_MAX = 8

/** Store operations of one request (R22). */
export const OPERATIONS_MAX = 32

/** Re-sends of one write after `unknown` or `no_effect`, each after a read-back. */
export const RESENDS_MAX = 3

/** Full jitter after a lost CAS or a `no_effect`. */
export const BACKOFF_MIN_MS = 10
export const BACKOFF_MAX_MS = 200

/** Deadline of one commit or recover, always below half the TTL (spec/storage.md 9). */
export const COMMIT_DEADLINE_MS = 60_000

/** Read limits by object class (spec/storage.md 8). */
export const STATE_BYTES_MAX = 64 * 1024
export const MARKER_BYTES_MAX = 16 * 1024
export const PAYLOAD_BYTES_MAX = 64 * 1024 * 1024
export const POINTER_BYTES_MAX = 64 * 1024
export const CATALOG_MANIFEST_BYTES_MAX = 4 * 1024 * 1024
export const CATALOG_TABLES_BYTES_MAX = 64 * 1024 * 1024
