/**
 * A table at one version, made by replay (spec/delta-log-rules.md 5). Holds what later rules compare with and nothing
 * else: some 200 bytes a live file, no statistics. 64-bit integers are `bigint` (DL-211).
 */
import { toBigInt } from '../../delta/payload/fields.ts'
import type { TableProtocol } from '../../delta/payload/protocol.ts'
import { readStats } from '../../delta/payload/stats.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../json.ts'
import type { CommitActions } from './commit-file.ts'
import { metadataOf, protocolOf, type TableMetadata } from './table-protocol.ts'

/** A deletion vector as its descriptor says. */
export interface Vector {
  /** `storageType + pathOrInlineDv`, and `@offset` where there is one (spec/delta-log-rules.md 3.9). */
  readonly id: string
  readonly storage: string
  readonly text: string
  readonly offset: number
  readonly size: number
  readonly cardinality: bigint
}

/** A live file. */
export interface LiveFile {
  /** As it stands in the log. */
  readonly path: string
  readonly size: bigint
  readonly modified_ms: bigint
  /** `partitionValues` as one text, equal for equal values; null and "" are both NULL. */
  readonly partition: string
  readonly vector: Vector | null
  /** `stats.numRecords`, kept beside vectors only. */
  readonly records: bigint | null
}

/** Live files above which a table is too large to be held: what depends on them is not checked then. */
export const FILES_MAX = 2_000_000

/** A table at one version. Mutable: replay goes on with it. */
export class Snapshot {
  protocol: TableProtocol | null = null
  protocol_action: JsonObject | null = null
  metadata: TableMetadata | null = null
  readonly live = new Map<string, LiveFile>()
  /** Keys of live files by path, for those that are live with a vector; a path without one is its own key. */
  readonly by_path = new Map<string, string>()
  readonly tombstones = new Set<string>()
  readonly txns = new Map<string, bigint>()
  readonly domains = new Map<string, string>()
  /** `commitInfo.txnId` of the commits that were replayed. */
  readonly txn_ids = new Set<string>()
  bytes = 0n
  /** In-commit timestamp of the version, where the feature is on. */
  ict: bigint | null = null
  /** The live files are those of the log: no hole, no unreadable entry before. */
  is_whole = true

  /** Apply one commit: removes first, then adds. */
  apply(actions: CommitActions): void {
    if (actions.protocol !== null) this.setProtocol(actions.protocol)
    if (actions.metaData !== null) this.setMetadata(actions.metaData)
    for (const action of actions.removes) this.remove(fileOf(action))
    for (const action of actions.adds) this.add(fileOf(action))
    for (const action of actions.txns) this.setTxn(action)
    for (const action of actions.domains) this.setDomain(action)
    const txnId = actions.commitInfo?.['txnId']
    if (typeof txnId === 'string' && this.txn_ids.size <= FILES_MAX) this.txn_ids.add(txnId)
    if (this.live.size > FILES_MAX) this.is_whole = false
  }

  setProtocol(action: JsonObject): void {
    this.protocol_action = action
    this.protocol = protocolOf(action)
  }

  setMetadata(action: JsonObject): void {
    this.metadata = metadataOf(action)
  }

  add(file: LiveFile | null): void {
    if (file === null || this.live.size > FILES_MAX) return
    const key = keyOf(file)
    this.drop(key)
    this.live.set(key, file)
    this.by_path.set(file.path, key)
    this.bytes += file.size
    this.tombstones.delete(key)
  }

  remove(file: LiveFile | null): void {
    if (file === null) return
    const key = keyOf(file)
    this.drop(key)
    if (this.tombstones.size <= FILES_MAX) this.tombstones.add(key)
  }

  /** What is live under a path, with whatever vector. */
  at(path: string): LiveFile | undefined {
    const key = this.by_path.get(path)
    return key === undefined ? undefined : this.live.get(key)
  }

  setTxn(action: JsonObject): void {
    const { appId } = action
    const version = toBigInt(action['version'])
    if (typeof appId === 'string' && version !== undefined) this.txns.set(appId, version)
  }

  setDomain({ domain, configuration, removed }: JsonObject): void {
    if (typeof domain !== 'string') return
    if (removed === true) this.domains.delete(domain)
    else this.domains.set(domain, typeof configuration === 'string' ? configuration : '')
  }

  private drop(key: string): void {
    const old = this.live.get(key)
    if (old === undefined) return
    this.live.delete(key)
    if (this.by_path.get(old.path) === key) this.by_path.delete(old.path)
    this.bytes -= old.size
  }
}

/** What tells files apart: path and vector. NUL occurs in no path. */
export function keyOf({ path, vector }: { readonly path: string; readonly vector: Vector | null }): string {
  return vector === null ? path : `${path}\0${vector.id}`
}

/** The file of an `add` or a `remove`, or null without a path. */
export function fileOf(action: JsonObject): LiveFile | null {
  const { path, stats } = action
  if (typeof path !== 'string') return null
  const vector = isJsonObject(action['deletionVector']) ? vectorOf(action['deletionVector']) : null
  const records =
    vector === null ? null : (readStats(typeof stats === 'string' ? stats : undefined).numRecords ?? null)
  return {
    path,
    size: toBigInt(action['size']) ?? 0n,
    modified_ms: toBigInt(action['modificationTime']) ?? 0n,
    partition: partitionOf(action['partitionValues']),
    vector,
    records,
  }
}

function partitionOf(values: JsonValue | undefined): string {
  if (!isJsonObject(values)) return ''
  const names = Object.keys(values).toSorted()
  return names.map((name) => JSON.stringify([name, values[name] === '' ? null : values[name]])).join('')
}

/** A descriptor; members that are missing count as empty, their rule is DL-1201. */
export function vectorOf(descriptor: JsonObject): Vector {
  const { storageType, pathOrInlineDv, offset } = descriptor
  const storage = typeof storageType === 'string' ? storageType : ''
  const text = typeof pathOrInlineDv === 'string' ? pathOrInlineDv : ''
  const at = toBigInt(offset)
  return {
    id: `${storage}${text}${at === undefined ? '' : `@${at}`}`,
    storage,
    text,
    offset: Number(at ?? 0n),
    size: Number(toBigInt(descriptor['sizeInBytes']) ?? 0n),
    cardinality: toBigInt(descriptor['cardinality']) ?? 0n,
  }
}
