/** Directories that are still there after a power cut: a new name is durable only when the directory that holds it is. */
import { mkdir, open } from 'node:fs/promises'
import { dirname, sep } from 'node:path'
import { codeOf } from './errors.ts'

/** Makes and syncs directories below one root. */
export interface DurableDirs {
  /** Makes a directory with its parents, and each of their names durable up to the root. */
  make(dir: string): Promise<void>
}

/** How many directories are remembered as durable; beyond it they are synced once more. */
const KNOWN_MAX = 10_000

/** Make the root if it is missing, its name durable too, and get what makes directories in it. */
export async function durableDirs(root: string): Promise<DurableDirs> {
  const created = await mkdir(root, { recursive: true })
  const top = dirname(created ?? root)
  await syncNames(root, top)
  const known = new Set([root])

  return {
    async make(dir) {
      const first_created = await mkdir(dir, { recursive: true })
      // Not taken for granted when it exists: the process that made it may not have synced it yet.
      const is_new = (each: string): boolean =>
        first_created !== undefined && `${each}${sep}`.startsWith(`${first_created}${sep}`)
      const unsynced: string[] = []
      for (let each = dir; each !== top && (is_new(each) || !known.has(each)); each = dirname(each)) {
        unsynced.push(each)
      }
      for (const each of unsynced) await syncDir(dirname(each))
      if (known.size > KNOWN_MAX) known.clear()
      for (const each of [root, ...unsynced]) known.add(each)
    },
  }
}

/** Makes the names that were added to or removed from a directory durable. */
export async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Syncs the directories that hold the names from `dir` up to an entry of `top`. */
async function syncNames(dir: string, top: string): Promise<void> {
  for (let holder = dirname(dir); ; holder = dirname(holder)) {
    await syncDir(holder).catch(unreadable)
    if (holder === top) return
  }
}

/** A folder that an operator made for us may lie in one that we cannot open; its name is the operator's to keep. */
function unreadable(error: unknown): void {
  const code = codeOf(error)
  if (code !== 'EACCES' && code !== 'EPERM') throw error
}
