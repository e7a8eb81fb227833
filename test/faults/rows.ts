/** Every row of the specification that a planted fault has to be of: the tables of things that go wrong. */

/**
 * Not here: "legacy head issue" of reconcile.md 1, which is history and always null there; rows of coordinator.md 7.2 and 7.3
 * that leave what another row leaves; and a table that was dropped from the catalog, of which `verify` says that it cannot look.
 */
export const ROWS = [
  'coordinator.md 7.1: W0',
  'coordinator.md 7.1: W1',
  'coordinator.md 7.1: W2',
  'coordinator.md 7.1: W3',
  'coordinator.md 7.1: W4',
  'coordinator.md 7.2: W1, staged object deleted',
  'coordinator.md 7.2: W1, staged object put again',
  'coordinator.md 7.2: W2, staged object deleted',
  'coordinator.md 7.3: W1, foreign object at the version',
  'coordinator.md 10: state absent, read_version -1',
  'coordinator.md 10: state absent, table with versions',
  'coordinator.md 10: state behind the log',
  'coordinator.md 10: state corrupt',
  'coordinator.md 10: marker lost, commit finalized',
  'coordinator.md 3: objects of the coordinator',
  'coordinator.md 11.3: two roots',
  'delta-log-rules.md: the log',
  'delta-log-rules.md: copies of the log',
  'rebuild.md 12: merely behind',
  'rebuild.md 12: rows wrong or missing, manifest fine',
  'rebuild.md 12: artifact deleted or corrupt',
  'rebuild.md 12: manifest stripped of tombstones',
  'rebuild.md 12: pointer or manifest unparsable or missing',
  'rebuild.md 12: watermark too high',
  'rebuild.md 12: pointer deleted',
  'reconcile.md 1: orphan manifest snapshot',
  'reconcile.md 1: orphan base directory',
  'reconcile.md 1: orphan L0 directory',
  'manifests.md 18: the head and the chain',
  'events.md 4: the ledger',
  'locks-and-fencing.md 4: the lock',
  'a foreign log entry',
  'a missing marker',
  'a truncated checkpoint',
  'a future expires_at_ms',
  'an orphan manifest above the pointer',
] as const

/** One of them. */
export type Row = (typeof ROWS)[number]
