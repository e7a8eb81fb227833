/** What kind of object a key of a scope names: what traces may say of a key (S40). */

/** Kinds in the order in which they are looked for; the first that matches names the key. */
const CLASSES: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['coordinator_state', /^delta\/coordinator\//],
  ['idempotency_marker', /^delta\/idempotency\//],
  ['staged_payload', /^delta\/staging\//],
  ['delta_log_checkpoint', /\/_delta_log\/(?:_last_checkpoint$|_sidecars\/|\d{20}\.checkpoint)/],
  ['delta_log_entry', /\/_delta_log\/\d{20}\.json$/],
  ['projection_pointer', /^state\/orchestration\/manifest\.pointer\.json$/],
  ['catalog', /^(?:manifests|snapshots|commits)\//],
  ['lock', /^locks\//],
  ['event', /^ledger\//],
  ['projection_manifest', /^state\/orchestration\/manifests\//],
  ['projection_artifact', /^state\/orchestration\/(?:base|l0)\//],
  ['rebuild_input', /^state\/orchestration\/rebuilds\//],
]

/** The kind, `other` for keys of none. */
export function pathClass(path: string): string {
  return CLASSES.find(([, pattern]) => pattern.test(path))?.[0] ?? 'other'
}
