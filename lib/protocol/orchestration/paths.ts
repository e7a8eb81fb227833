/**
 * Keys of the orchestration domain (spec/events.md 4), the counterpart of `lib/protocol/paths.ts`. All are relative
 * to the scope; the scoped store adds `tenant=…/workspace=…/`.
 */
import { ulidTime_ms } from '../ids.ts'
import { isValidKey } from '../paths.ts'
import { DAY_MS, formatDate, fromMs } from './events/instant.ts'
import type { LedgerEvent } from './events/kinds.ts'

const LEDGER = 'ledger/orchestration'

/**
 * The one path at which an event may be stored (4.2): under the date in its id when that is a ULID, else under the
 * date of its timestamp. The id is used as it is.
 */
export function eventPath(event: Pick<LedgerEvent, 'event_id' | 'timestamp'>): string {
  const id_ms = ulidTime_ms(event.event_id)
  const date = id_ms === null ? formatDate(event.timestamp) : ledgerDate(id_ms)
  return `${LEDGER}/${date}/${event.event_id}.json`
}

/** UTC dates by days since 1970. A rebuild asks for the same few a million times. */
const dates = new Map<number, string>()
const DATES_MAX = 10_000

/** The date under which an id of this time is stored. */
export function ledgerDate(epoch_ms: number): string {
  const day = Math.floor(epoch_ms / DAY_MS)
  let date = dates.get(day)
  if (date === undefined) {
    date = formatDate(fromMs(day * DAY_MS))
    if (dates.size >= DATES_MAX) dates.clear()
    dates.set(day, date)
  }
  return date
}

/** The event id in a ledger path, or null when it is none (4.3). The date is only checked for its shape. */
export function eventIdOfPath(path: string): string | null {
  return /^ledger\/orchestration\/[0-9]{4}-[0-9]{2}-[0-9]{2}\/([^/]+)\.json$/s.exec(path)?.[1] ?? null
}

const STATE = 'state/orchestration'

/** The object that says which manifest readers see; replaced only by CAS. */
export const POINTER_PATH = `${STATE}/manifest.pointer.json`

/** Where early versions kept their only manifest. Read when there is no pointer, never written (manifests.md 15). */
export const RETIRED_MANIFEST_PATH = `${STATE}/manifest.json`

/** Lease of whoever compacts or rebuilds; requests of the fenced shape name it (locks-and-fencing.md 1). */
export const LOCK_PATH = 'locks/orchestration.compaction.lock.json'

/** One revision of the projection. `manifest_id` has 20 digits. */
export function manifestPath(manifest_id: string): string {
  return `${STATE}/manifests/${manifest_id}.json`
}

/** Folder of a base snapshot. */
export function baseFolder(snapshot_id: string): string {
  return `${STATE}/base/${snapshot_id}`
}

/** Folder of one delta. */
export function deltaFolder(delta_id: string): string {
  return `${STATE}/l0/${delta_id}`
}

/** Folder of the private chunks of a full rebuild; no reader looks there. */
export function rebuildFolder(rebuild_id: string): string {
  return `${STATE}/rebuilds/${rebuild_id}`
}

/** Key of an artifact: the first 12 digits of its hash stand before the extension (projections.md 10). */
export function artifactPath(folder: string, file: string, sha256: string): string {
  const dot = file.lastIndexOf('.')
  const [stem, extension] = dot === -1 ? [file, ''] : [file.slice(0, dot), file.slice(dot)]
  return `${folder}/${stem}.${sha256.slice(0, 12)}${extension}`
}

/**
 * Whether a stored path may name an object of the projection. Readers follow stored paths as they are, but never out
 * of the projection's own keys (correctness.md S3).
 */
export function isProjectionPath(path: string): boolean {
  return path.startsWith(`${STATE}/`) && isValidKey(path)
}

/** Whether a path may name a rebuild manifest (locks-and-fencing.md 6.2): below its folder, with a name, `.json`. */
export function isRebuildManifestPath(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return path.startsWith(`${STATE}/rebuilds/`) && /^.+\.json$/is.test(name) && isValidKey(path)
}
