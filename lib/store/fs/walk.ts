/** The keys below a prefix, in the order of their bytes, from a walk through the folder. For maintenance only. */
import type { Dirent } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { compareKeys, isUnderPrefix, keyProblem } from '../keys.ts'
import { absent } from './errors.ts'

/** Which keys to walk through. */
export interface WalkRequest {
  readonly prefix: string
  readonly start_after: string | undefined
  /** Keys that are the store's own files. */
  isReserved(key: string): boolean
}

/**
 * Yields each key once. Directories that cannot hold one of them are not opened, symbolic links are not followed, and
 * a file whose name cannot be a key is no object.
 */
export async function* walkKeys(root: string, request: WalkRequest): AsyncGenerator<string> {
  const above = request.prefix.slice(0, request.prefix.lastIndexOf('/') + 1)
  if (await isReachable(root, above)) yield* walkDir(root, above, request)
}

async function* walkDir(root: string, dir: string, request: WalkRequest): AsyncGenerator<string> {
  const { prefix, start_after } = request
  const entries = (await readdir(join(root, dir), { withFileTypes: true }).catch(absent)) ?? []
  for (const { name, is_dir } of inKeyOrder(entries)) {
    const key = dir + name
    if (keyProblem(key) !== undefined || request.isReserved(key)) continue
    if (is_dir) {
      const below = `${key}/`
      const is_behind =
        start_after !== undefined && compareKeys(below, start_after) < 0 && !start_after.startsWith(below)
      if (isUnderPrefix(below, prefix) && !is_behind) yield* walkDir(root, below, request)
    } else if (
      isUnderPrefix(key, prefix) &&
      (start_after === undefined || compareKeys(key, start_after) > 0)
    ) {
      yield key
    }
  }
}

/** Keys below a directory sort by its name with the slash: `a-b` comes before `a/b`. */
function inKeyOrder(entries: readonly Dirent[]): { readonly name: string; readonly is_dir: boolean }[] {
  return entries
    .filter((entry) => entry.isDirectory() || entry.isFile())
    .map((entry) => ({ name: entry.name, is_dir: entry.isDirectory() }))
    .toSorted((a, b) => compareKeys(a.is_dir ? `${a.name}/` : a.name, b.is_dir ? `${b.name}/` : b.name))
}

/** Every directory on the way is a real one; `dir` is empty or ends with a slash. */
async function isReachable(root: string, dir: string): Promise<boolean> {
  let path = root
  for (const segment of dir.split('/').slice(0, -1)) {
    path = join(path, segment)
    const entry = await lstat(path).catch(absent)
    if (entry === null || !entry.isDirectory()) return false
  }
  return true
}
