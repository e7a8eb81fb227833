/**
 * A collector for tests, as correctness.md Q8 and reconcile.md 9 want one: under the lock, after a touch of the pointer,
 * it deletes what no revision names that a reader may still be at. Its quarantine is not an hour but said by the test.
 */
import { MANIFEST, type Manifest } from '../../lib/protocol/orchestration/projection/manifest.ts'
import { acquire, release } from '../../lib/protocol/lock.ts'
import { LOCK_PATH } from '../../lib/protocol/orchestration/paths.ts'
import { pathOf } from '../../lib/protocol/orchestration/projection/artifact.ts'
import { readNamed } from '../../lib/protocol/orchestration/projection/documents.ts'
import { readHead } from '../../lib/protocol/orchestration/projection/head.ts'
import { layersOf } from '../../lib/protocol/orchestration/projection/load.ts'
import { touch } from '../../lib/protocol/orchestration/projection/publish.ts'
import { run, type Environment } from '../../lib/protocol/run.ts'
import type { ListedObject, MaintenanceStore } from '../../lib/store/types.ts'

const COLLECTED = ['manifests', 'base', 'l0'].map((folder) => `state/orchestration/${folder}/`)

/**
 * Delete what was unreachable at `since_ms`, epoch ms, and has been since; the paths. No reader may still be at what was
 * replaced before. `store` and `env` are of one workspace.
 */
export async function collect(
  store: MaintenanceStore,
  env: Environment,
  since_ms: number,
): Promise<string[]> {
  const lease = await run(acquire({ path: LOCK_PATH, operation: 'collect' }), env)
  if (!lease.ok) throw new Error(`the lock: ${JSON.stringify(lease)}`)
  const candidates = await listed(store)
  const touched = await run(touch(await run(readHead(), env)), env)
  if (touched === null) throw new Error('the pointer has moved, or there is none')
  const reachable = await reachableSince(env, since_ms)
  const deleted = candidates.filter(
    ({ key, last_modified_ms = Number.POSITIVE_INFINITY }) =>
      last_modified_ms < since_ms && !reachable.has(key),
  )
  for (const { key, token } of deleted) await store.delete(key, { token })
  await run(release(lease.guard), env)
  return deleted.map(({ key }) => key)
}

/** What the visible revision names, and every one that it has replaced since that time. */
async function reachableSince(env: Environment, since_ms: number): Promise<ReadonlySet<string>> {
  const { pointer, manifest } = await run(readHead(), env)
  const reachable = new Set<string>()
  let path = pointer?.manifest_path ?? null
  for (let at: Manifest | null = manifest; at !== null && path !== null;) {
    reachable.add(path)
    for (const { tables, deletions } of layersOf(at)) {
      for (const { ref } of tables) reachable.add(pathOf(ref))
      if (deletions !== null) reachable.add(pathOf(deletions))
    }
    path = Date.parse(at.published_at) < since_ms ? null : at.previous_manifest_path
    at = path === null ? null : (await run(readNamed(MANIFEST, path), env)).value
  }
  return reachable
}

async function listed(store: MaintenanceStore): Promise<ListedObject[]> {
  const objects: ListedObject[] = []
  for (const prefix of COLLECTED) {
    let start_after: string | undefined
    do {
      const page = await store.listPage({
        prefix,
        limit: 1000,
        ...(start_after !== undefined && { start_after }),
      })
      objects.push(...page.objects)
      start_after = page.next_start_after
    } while (start_after !== undefined)
  }
  return objects
}
