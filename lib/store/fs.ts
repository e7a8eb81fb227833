/**
 * The store in a folder, safe for several processes on one host (spec/storage.md 5.5, spec/providers.md 3.4). An object
 * file holds exactly the object's bytes, so operators can `cat` it and other tools can put files beside ours.
 *
 * - Create is `link(temp, target)`: the kernel says who was first.
 * - Replace is check-and-rename inside a mutex that the kernel releases when its holder dies (fs/mutex.ts). Killed
 *   before the rename: the old generation. Killed after it: the new one. There is no third state.
 * - Tokens lie in sidecars that are durable before their generation is visible (fs/generations.ts). The sidecar of a
 *   replaced generation is removed last, while that generation is still held open.
 *
 * Why so: docs/decisions/0002-folder-store.md.
 */
import { lstat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { durableDirs } from './fs/durable.ts'
import { absent, classified, classifiedPut } from './fs/errors.ts'
import { openGenerations, type Generations, type ObjectFile } from './fs/generations.ts'
import { openMutex } from './fs/mutex.ts'
import { walkKeys } from './fs/walk.ts'
import { create, remove, replace, type Folder } from './fs/writes.ts'
import { checkKey, checkListRequest } from './keys.ts'
import type { TokenFormat } from './tokens.ts'
import { StoreError, type HeadResult, type ListedObject, type MaintenanceStore } from './types.ts'

/** How a folder store behaves. */
export interface FsOptions {
  readonly token_format?: TokenFormat
  /** How long a replace waits for other processes before it says `no_effect`. Default 5 s. */
  readonly mutex_wait_ms?: number
}

/** Bookkeeping of the store, below its folder; never an object. */
const META_DIR = '.arco-meta'

const DEFAULTS = { token_format: 'plain', mutex_wait_ms: 5_000 } satisfies FsOptions

const NOT_FOUND = { outcome: 'not_found' } as const

/** Open a folder as a store; it is created when missing. Not for network file systems. */
export function fsStore(folder: string, options: FsOptions = {}): MaintenanceStore {
  const root = resolve(folder)
  const opening = openFolder(root, { ...DEFAULTS, ...options })
  // Reported by the first operation that needs the folder.
  opening.catch(() => undefined)

  return {
    capabilities: { driver: 'fs', meta: false, conditional_delete: true },

    async get(key, { signal, bytes_max } = {}) {
      refuseReserved(key)
      refuseAborted(key, signal)
      return classified(key, async () => {
        const { generations } = await opening
        return generations.look(await locate(root, key), { bytes_max }, async (seen) => {
          if (seen === null) return NOT_FOUND
          const { bytes, token, stats } = seen
          const last_modified_ms = Number(stats.mtimeMs)
          return { outcome: 'ok', bytes, token, last_modified_ms, server_date_ms: Date.now() }
        })
      })
    },

    async head(key, { signal } = {}) {
      refuseReserved(key)
      refuseAborted(key, signal)
      return classified(key, async () => headOf((await opening).generations, await locate(root, key)))
    },

    async put(key, bytes, precondition, { signal } = {}) {
      refuseReserved(key)
      if (signal?.aborted === true) return { outcome: 'unknown' }
      return classifiedPut(key, async () => {
        const opened = await opening
        const object = await locate(root, key)
        if (precondition === 'doesNotExist') return create(opened, object, { bytes, signal })
        const expected = precondition === 'none' ? null : precondition.matchesVersion
        return replace(opened, object, { bytes, signal }, expected)
      })
    },

    async delete(key, { signal, token } = {}) {
      refuseReserved(key)
      refuseAborted(key, signal)
      return classified(key, async () => remove(await opening, await locate(root, key), token ?? null))
    },

    async listPage(request, { signal } = {}) {
      checkListRequest(request)
      refuseAborted(request.prefix, signal)
      const { prefix, start_after, limit } = request
      return classified(prefix, async () => {
        const { generations } = await opening
        const objects: ListedObject[] = []
        for await (const key of walkKeys(root, { prefix, start_after, isReserved })) {
          refuseAborted(prefix, signal)
          const head = await headOf(generations, { key, path: pathOf(root, key) })
          // Gone since the walk saw its name.
          if (head.outcome === 'not_found') continue
          const { token, size, last_modified_ms } = head
          objects.push({ key, token, size, ...(last_modified_ms !== undefined && { last_modified_ms }) })
          if (objects.length === limit) return { objects, next_start_after: key }
        }
        return { objects }
      })
    },
  }
}

async function openFolder(root: string, options: Required<FsOptions>): Promise<Folder> {
  const meta_dir = join(root, META_DIR)
  try {
    const dirs = await durableDirs(root)
    const generations = await openGenerations(meta_dir, dirs, options.token_format)
    return { dirs, generations, mutex: openMutex(join(meta_dir, 'mutex.db'), options.mutex_wait_ms) }
  } catch (cause) {
    throw new StoreError('misconfigured', root, 'the folder cannot be opened as a store', { cause })
  }
}

/** The key is checked before any I/O. Other spellings are refused as well: some file systems ignore case. */
function refuseReserved(key: string): void {
  checkKey(key)
  if (isReserved(key)) throw new StoreError('invalid_key', key, `${META_DIR} holds the store's own files`)
}

function isReserved(key: string): boolean {
  return key.split('/', 1)[0]?.toLowerCase() === META_DIR
}

function pathOf(root: string, key: string): string {
  return join(root, ...key.split('/'))
}

/** Where an object lies. A symbolic link on the way could lead out of the folder. */
async function locate(root: string, key: string): Promise<ObjectFile> {
  let path = root
  for (const segment of key.split('/')) {
    path = join(path, segment)
    const entry = await lstat(path).catch(absent)
    if (entry === null) break
    if (entry.isSymbolicLink()) throw new StoreError('denied', key, 'a symbolic link is not followed')
  }
  return { key, path: pathOf(root, key) }
}

async function headOf(generations: Generations, object: ObjectFile): Promise<HeadResult> {
  return generations.look(object, null, async (seen) => {
    if (seen === null) return NOT_FOUND
    const { token, stats } = seen
    return { outcome: 'ok', token, size: Number(stats.size), last_modified_ms: Number(stats.mtimeMs) }
  })
}

function refuseAborted(key: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new StoreError('unavailable', key, 'the call was aborted')
}
