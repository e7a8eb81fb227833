/**
 * Sees every change that a process makes to the file system, just before it is made. Imported first by the child
 * processes that are killed at one of them, or that report which of them reached the disk.
 */
import fs from 'node:fs'
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { DatabaseSync } from 'node:sqlite'

/** One change: what is called, and the paths that it is about. */
export interface Change {
  readonly call: string
  readonly paths: readonly string[]
}

/** From now on call `observe` before each change. */
export function traceChanges(observe: (change: Change) => void): void {
  wrap(promises, ['mkdir', 'writeFile', 'rename', 'link', 'unlink', 'rm'], observe)
  wrap(fs, ['renameSync', 'rmSync', 'unlinkSync'], observe)
  wrapOpen(observe)
  const exec = DatabaseSync.prototype.exec
  DatabaseSync.prototype.exec = function (sql) {
    observe({ call: sql, paths: [] })
    return exec.call(this, sql)
  }
  // The named imports of modules that are loaded already follow.
  syncBuiltinESMExports()
}

type Functions = Record<string, (...args: unknown[]) => unknown>

function wrap(owner: object, names: readonly string[], observe: (change: Change) => void): void {
  const functions = owner as Functions
  for (const call of names) {
    const original = functions[call]
    if (original === undefined) throw new Error(`${call} is not a function of Node any more`)
    functions[call] = (...args) => {
      const paths = args.slice(0, call === 'writeFile' ? 1 : 2).filter((arg) => typeof arg === 'string')
      observe({ call: isFlushed(args[2]) ? `${call} and sync` : call, paths })
      return original(...args)
    }
  }
}

function isFlushed(options: unknown): boolean {
  return typeof options === 'object' && options !== null && 'flush' in options && options.flush === true
}

/** Files that are opened for writing, and what is synced of files and directories. */
function wrapOpen(observe: (change: Change) => void): void {
  const open = promises.open
  promises.open = async (path, flags, mode) => {
    const paths = [String(path)]
    if (flags === 'wx') observe({ call: 'open', paths })
    const file = await open(path, flags, mode)
    const { sync, writeFile } = file
    file.sync = async () => {
      observe({ call: 'sync', paths })
      return sync.call(file)
    }
    file.writeFile = async (data, options) => {
      observe({ call: 'write', paths })
      return writeFile.call(file, data, options)
    }
    return file
  }
}
