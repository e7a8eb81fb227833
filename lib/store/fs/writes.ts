/**
 * The ways in which an object changes. Each has one system call that is the change, a `link`, a `rename` or an
 * `unlink`; a kill before it leaves what was there, a kill after it what was meant. What a put throws, it throws
 * before that call.
 */
import { renameSync, unlinkSync } from 'node:fs'
import { link, lstat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { sameVersion } from '../tokens.ts'
import { StoreError, type DeleteResult, type PutResult, type Token } from '../types.ts'
import { syncDir, type DurableDirs } from './durable.ts'
import { absent, codeOf } from './errors.ts'
import {
  isStill,
  removeQuietly,
  type Generations,
  type NewGeneration,
  type ObjectFile,
  type OpenGeneration,
} from './generations.ts'
import { BUSY, type Mutex } from './mutex.ts'

/** An open folder: what changes need. */
export interface Folder {
  readonly dirs: DurableDirs
  readonly generations: Generations
  readonly mutex: Mutex
}

/** What a put writes, and whether its caller still waits for it. */
export interface Content {
  readonly bytes: Uint8Array
  readonly signal: AbortSignal | undefined
}

/** Deletes of an object that is replaced again and again. */
const REMOVES_MAX = 16

/** Write an object that is not there. The kernel says who was first: of many links to one name one succeeds. */
export async function create(folder: Folder, object: ObjectFile, content: Content): Promise<PutResult> {
  const { key, path } = object
  const there = await lstat(path).catch(absent)
  if (there?.isDirectory() === true) throw new StoreError('unsupported', key, 'the name is that of a folder')
  if (there !== null) return { outcome: 'precondition_failed' }
  await folder.dirs.make(dirname(path))
  const next = await folder.generations.prepare(key, content.bytes)
  return publish({ folder, object, next, replaced: null, signal: content.signal }, async () => {
    try {
      await link(next.temp, path)
      return 'done'
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return 'changed'
      throw error
    }
  })
}

/** Write an object in the place of the generation that `expected` names; of any or none if that is null. */
export async function replace(
  folder: Folder,
  object: ObjectFile,
  content: Content,
  expected: Token | null,
): Promise<PutResult> {
  const { key, path } = object
  // What is replaced stays open until its sidecar is gone, so that neither can be taken for another writer's.
  return folder.generations.look(object, null, async (seen) => {
    if (expected === null) await folder.dirs.make(dirname(path))
    else if (seen === null || !sameVersion(seen.token, expected)) return { outcome: 'precondition_failed' }
    const next = await folder.generations.prepare(key, content.bytes)
    return publish({ folder, object, next, replaced: seen, signal: content.signal }, async () =>
      folder.mutex.hold(() => {
        // Nobody else replaces now: the file is the one whose token was compared, or it is not.
        if (expected !== null && (seen === null || !isStill(path, seen.stats))) return 'changed'
        renameSync(next.temp, path)
        return 'done'
      }),
    )
  })
}

/** Remove an object, only the generation that `expected` names unless that is null. */
export async function remove(
  folder: Folder,
  object: ObjectFile,
  expected: Token | null,
): Promise<DeleteResult> {
  const { key, path } = object
  for (let attempt = 1; attempt <= REMOVES_MAX; attempt++) {
    const result = await folder.generations.look(object, null, async (seen) => {
      if (seen === null) return 'done'
      if (expected !== null && !sameVersion(seen.token, expected)) return 'changed'
      const done = await folder.mutex.hold(() => {
        if (!isStill(path, seen.stats)) return 'changed'
        unlinkSync(path)
        return 'done'
      })
      if (done === 'done') {
        await syncDir(dirname(path))
        await removeQuietly(seen.sidecar)
      }
      return done
    })
    if (result === BUSY) throw new StoreError('unavailable', key, 'another process holds the store')
    if (result === 'done') return { outcome: 'ok' }
    if (expected !== null) return { outcome: 'precondition_failed' }
  }
  throw new StoreError('unavailable', key, `replaced during each of ${REMOVES_MAX} attempts to delete it`)
}

/** A generation on its way to become the object. */
interface Publication {
  readonly folder: Folder
  readonly object: ObjectFile
  readonly next: NewGeneration
  readonly replaced: OpenGeneration | null
  readonly signal: AbortSignal | undefined
}

/** Makes the one system call that shows the generation, and says what it came to. */
async function publish(
  { folder, object, next, replaced, signal }: Publication,
  change: () => Promise<'done' | 'changed' | typeof BUSY>,
): Promise<PutResult> {
  if (signal?.aborted === true) {
    await folder.generations.discard(next)
    return { outcome: 'unknown' }
  }
  try {
    const result = await change()
    if (result !== 'done') {
      await folder.generations.discard(next)
      return { outcome: result === BUSY ? 'no_effect' : 'precondition_failed' }
    }
  } catch (error) {
    // After an I/O error nobody can tell which name the directory has on disk.
    if (codeOf(error) === 'EIO') return { outcome: 'unknown' }
    await folder.generations.discard(next)
    throw error
  }
  // Crash here: the object is complete and visible; what is left over is a second name of its inode.
  await removeQuietly(next.temp)
  try {
    await syncDir(dirname(object.path))
  } catch {
    // Visible, but maybe not after a power cut.
    return { outcome: 'unknown' }
  }
  // Not earlier: after a power cut the replaced generation could be there without it.
  if (replaced !== null) await removeQuietly(replaced.sidecar)
  return { outcome: 'ok', token: next.token }
}
