/** What the file system's error codes mean for a store (spec/storage.md 8): outcomes, StoreErrors, absence. */
import { StoreError, type PutResult, type StoreErrorCode } from '../types.ts'

/** Null for a file that is not there; other failures are thrown on. For `.catch(absent)`. */
export function absent(error: unknown): null {
  const code = codeOf(error)
  // A path through another object, or a name that no file system holds: no such object either.
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return null
  throw error
}

/** `ENOENT` and its kin, or nothing for an error without a code. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Runs a read or a delete; a file system error becomes a StoreError. */
export async function classified<T>(key: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw storeError(key, error)
  }
}

/** Runs a put that throws only when nothing was stored. A full disk may have room later. */
export async function classifiedPut(key: string, call: () => Promise<PutResult>): Promise<PutResult> {
  try {
    return await call()
  } catch (error) {
    if (SHORT_OF.has(codeOf(error) ?? '')) return { outcome: 'no_effect' }
    throw storeError(key, error)
  }
}

const SHORT_OF: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'])

function storeError(key: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause
  const [code, message] = MEANINGS[codeOf(cause) ?? ''] ?? ['unavailable', 'the folder did not answer']
  return new StoreError(code, key, message, { cause })
}

const NOT_ALLOWED = ['denied', 'the folder does not allow it'] as const
const NO_SUCH_NAME = ['unsupported', 'a folder cannot hold an object of this name'] as const

const MEANINGS: Readonly<Record<string, readonly [StoreErrorCode, string] | undefined>> = {
  EACCES: NOT_ALLOWED,
  EPERM: NOT_ALLOWED,
  ELOOP: ['denied', 'a symbolic link is not followed'],
  EEXIST: NO_SUCH_NAME,
  EISDIR: NO_SUCH_NAME,
  ENOTDIR: NO_SUCH_NAME,
  ENAMETOOLONG: [
    'unsupported',
    'a folder cannot hold an object whose name has a part of more than 255 bytes',
  ],
  EROFS: ['misconfigured', 'the folder is mounted read-only'],
  EXDEV: ['misconfigured', 'the folder spans two file systems'],
  ENOENT: ['misconfigured', 'a part of the folder was removed while the store is open'],
  ERR_FS_FILE_TOO_LARGE: ['too_large', 'the file does not fit into memory'],
}
