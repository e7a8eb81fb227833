/**
 * The store in a folder, safe for several processes on one host (spec/storage.md 5.5, spec/providers.md 3.4). An object
 * file holds exactly the object's bytes, so operators can `cat` it and other tools can put files beside ours.
 *
 * - A generation is a file: (inode, mtime). Its token, a fresh ULID, lies in a sidecar named after the key and that
 *   identity, written before the generation becomes visible. A reader takes both from one open file, so bytes and
 *   token always belong together. A file without a sidecar (put there by another tool) has a derived token.
 * - Create is `link(temp, target)`: the kernel says who was first.
 * - Replace is check-and-rename inside `BEGIN IMMEDIATE` of an SQLite file that is used as a mutex only: the kernel
 *   releases it when the process dies, and nothing is written to it. Killed before the rename: the old generation.
 *   Killed after it: the new one. There is no third state.
 * - An inode number may come back with the next file. The sidecar of a replaced generation is removed inside the
 *   mutex, after the rename; one that a kill left behind also names mtime (ns) and size, and a new generation
 *   overwrites the sidecar of its own identity before it is visible. So a stale sidecar is never believed.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  type BigIntStats,
} from 'node:fs'
import {
  lstat,
  mkdir,
  open,
  link,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink,
  type FileHandle,
} from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ulid } from 'ulid'
import { checkKey, checkListRequest, compareKeys, isUnderPrefix } from './keys.ts'
import { formatToken, sameVersion, type TokenFormat } from './tokens.ts'
import {
  StoreError,
  type ListedObject,
  type MaintenanceStore,
  type PutResult,
  type StoredObject,
  type Token,
} from './types.ts'

/** How a folder store behaves. */
export interface FsOptions {
  readonly token_format?: TokenFormat
}

/** Bookkeeping of the store, below its folder; never an object. */
const META_DIR = '.arco-meta'

/** How long a writer waits for the mutex before it says `no_effect`. */
const MUTEX_WAIT_MS = 5_000

/** Reads of an object that is replaced again and again before the last one is taken as it is. */
const READS_MAX = 16

/** Temp files of a killed process are removed after this time. */
const STALE_TEMP_MS = 3_600_000

/** Open a folder as a store; it is created when missing. Not for network file systems. */
export function fsStore(folder: string, options: FsOptions = {}): MaintenanceStore {
  const root = resolve(folder)
  const temp_dir = join(root, META_DIR, 'tmp')
  const token_dir = join(root, META_DIR, 'tokens')
  let mutex: DatabaseSync | undefined
  let turn: Promise<unknown> = Promise.resolve()

  const ready = prepare()
  // Reported by the first operation that needs the folder.
  ready.catch(() => undefined)

  async function prepare(): Promise<void> {
    await mkdir(temp_dir, { recursive: true })
    await mkdir(token_dir, { recursive: true })
    mutex = new DatabaseSync(join(root, META_DIR, 'mutex.db'), { timeout: MUTEX_WAIT_MS })
    await removeStaleTemps(temp_dir)
  }

  /** Where an object lies. Its parents are checked for links that lead out of the folder. */
  async function fileOf(key: string): Promise<string> {
    checkKey(key)
    if (key === META_DIR || key.startsWith(`${META_DIR}/`)) {
      throw new StoreError('invalid_key', key, `${META_DIR} holds the store's own files`)
    }
    await ready
    const segments = key.split('/')
    let path = root
    for (const segment of segments) {
      path = join(path, segment)
      const entry = await lstat(path).catch(absent)
      if (entry === null) break
      if (entry.isSymbolicLink()) throw new StoreError('denied', key, 'a symbolic link is not followed')
    }
    return join(root, ...segments)
  }

  function sidecarOf(key: string, identity: BigIntStats): string {
    const name = createHash('sha256').update(key).digest('hex')
    return join(token_dir, name.slice(0, 2), `${name}-${identity.ino}-${identity.mtimeNs}-${identity.size}`)
  }

  async function tokenOf(
    key: string,
    identity: BigIntStats,
    bytes: () => Promise<Uint8Array>,
  ): Promise<Token> {
    const own = await readFile(sidecarOf(key, identity), 'utf8').catch(absent)
    if (own !== null && own !== '') return own
    const digest = createHash('sha256')
      .update(await bytes())
      .digest('hex')
      .slice(0, 32)
    return formatToken(
      { e_tag: `fs-${digest}-${identity.mtimeNs}`, version: null },
      options.token_format ?? 'plain',
    )
  }

  async function readOpen(
    key: string,
    file: FileHandle,
    bytes_max: number | undefined,
  ): Promise<StoredObject> {
    const identity = await file.stat({ bigint: true })
    if (!identity.isFile()) throw new StoreError('denied', key, 'not a regular file')
    if (bytes_max !== undefined && identity.size > BigInt(bytes_max)) {
      throw new StoreError('too_large', key, `expected at most ${bytes_max} bytes, found ${identity.size}`)
    }
    const bytes = new Uint8Array(await file.readFile())
    if (BigInt(bytes.length) !== identity.size)
      throw new StoreError('corrupt', key, 'the file changed while it was read')
    return {
      outcome: 'ok',
      bytes,
      token: await tokenOf(key, identity, async () => bytes),
      last_modified_ms: Number(identity.mtimeMs),
      server_date_ms: Date.now(),
    }
  }

  async function readObject(key: string, bytes_max: number | undefined): Promise<StoredObject | null> {
    const path = await fileOf(key)
    for (let attempt = 1; ; attempt++) {
      const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(absent)
      if (file === null) return null
      try {
        const object = await readOpen(key, file, bytes_max)
        // Replaced meanwhile: its sidecar may be gone already, and then the token would be a derived one.
        if (attempt === READS_MAX || isStillOpen(path, await file.stat({ bigint: true }))) return object
      } finally {
        await file.close()
      }
    }
  }

  /** A complete, durable file that is not visible yet, with the sidecar that names its token. */
  async function prepareGeneration(key: string, bytes: Uint8Array): Promise<Generation> {
    await ready
    const id = freshUlid()
    const temp = join(temp_dir, id)
    const file = await open(temp, 'wx')
    let identity: BigIntStats
    try {
      await file.writeFile(bytes)
      await file.sync()
      identity = await file.stat({ bigint: true })
    } finally {
      await file.close()
    }
    const token = formatToken({ e_tag: id, version: null }, options.token_format ?? 'plain')
    const sidecar = sidecarOf(key, identity)
    await mkdir(dirname(sidecar), { recursive: true })
    const draft = `${temp}.token`
    const token_file = await open(draft, 'wx')
    try {
      await token_file.writeFile(token)
      await token_file.sync()
    } finally {
      await token_file.close()
    }
    await rename(draft, sidecar)
    return { temp, token, sidecar }
  }

  async function create(path: string, generation: Generation): Promise<PutResult> {
    await mkdir(dirname(path), { recursive: true })
    try {
      await link(generation.temp, path)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
      await discard(generation)
      return { outcome: 'precondition_failed' }
    }
    // Crash here: the object is complete and visible; only the second name of its inode is left over.
    await unlink(generation.temp)
    syncDirs(dirname(path))
    return { outcome: 'ok', token: generation.token }
  }

  async function replace(
    key: string,
    path: string,
    generation: Generation,
    expected: Token | null,
  ): Promise<PutResult> {
    await mkdir(dirname(path), { recursive: true })
    const seen = await currentToken(key, path)
    if (expected !== null && (seen === null || !sameVersion(seen.token, expected))) {
      await discard(generation)
      return { outcome: 'precondition_failed' }
    }
    const result = await inTurn(() => {
      if (!lockMutex()) return 'busy'
      try {
        // Nobody else replaces now: the file is the one whose token was compared, or it is not.
        if (expected !== null && !isStill(path, seen)) return 'changed'
        renameSync(generation.temp, path)
        if (seen !== null && seen.sidecar !== generation.sidecar) rmSync(seen.sidecar, { force: true })
        return 'done'
      } finally {
        unlockMutex()
      }
    })
    if (result === 'done') {
      syncDirs(dirname(path))
      return { outcome: 'ok', token: generation.token }
    }
    await discard(generation)
    return { outcome: result === 'busy' ? 'no_effect' : 'precondition_failed' }
  }

  async function currentToken(key: string, path: string): Promise<Current | null> {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(absent)
    if (file === null) return null
    try {
      const identity = await file.stat({ bigint: true })
      const token = await tokenOf(key, identity, async () => new Uint8Array(await file.readFile()))
      return { token, identity, sidecar: sidecarOf(key, identity) }
    } finally {
      await file.close()
    }
  }

  /** One at a time in this process; SQLite's lock is per connection and must not be held across an await. */
  async function inTurn<T>(work: () => T): Promise<T> {
    const mine = turn.then(work)
    turn = mine.catch(() => undefined)
    return mine
  }

  function lockMutex(): boolean {
    try {
      mutex?.exec('BEGIN IMMEDIATE')
      return mutex !== undefined
    } catch (error) {
      if (/locked|busy/i.test(error instanceof Error ? error.message : '')) return false
      throw error
    }
  }

  function unlockMutex(): void {
    mutex?.exec('ROLLBACK')
  }

  return {
    capabilities: { driver: 'fs', meta: false, conditional_delete: true },
    async get(key, { signal, bytes_max } = {}) {
      refuseAborted(key, signal)
      return classified(key, async () => (await readObject(key, bytes_max)) ?? { outcome: 'not_found' })
    },
    async head(key, { signal } = {}) {
      refuseAborted(key, signal)
      return classified(key, async () => {
        const current = await currentToken(key, await fileOf(key))
        if (current === null) return { outcome: 'not_found' }
        const { token, identity } = current
        return {
          outcome: 'ok',
          token,
          size: Number(identity.size),
          last_modified_ms: Number(identity.mtimeMs),
        }
      })
    },
    async put(key, bytes, precondition, { signal } = {}) {
      const path = await classified(key, async () => fileOf(key))
      if (signal?.aborted === true) return { outcome: 'unknown' }
      let generation: Generation
      try {
        generation = await prepareGeneration(key, bytes)
      } catch (error) {
        return beforeEffect(key, error)
      }
      try {
        if (precondition === 'doesNotExist') return await create(path, generation)
        const expected = precondition === 'none' ? null : precondition.matchesVersion
        return await replace(key, path, generation, expected)
      } catch {
        // The link or rename may have happened.
        return { outcome: 'unknown' }
      }
    },
    async delete(key, { signal, token } = {}) {
      refuseAborted(key, signal)
      return classified(key, async () => {
        const path = await fileOf(key)
        const seen = await currentToken(key, path)
        if (seen === null) return { outcome: 'ok' }
        if (token !== undefined && !sameVersion(seen.token, token)) return { outcome: 'precondition_failed' }
        const result = await inTurn(() => {
          if (!lockMutex()) throw new StoreError('unavailable', key, 'another process holds the store')
          try {
            if (!isStill(path, seen)) return token === undefined ? 'gone' : 'changed'
            rmSync(path, { force: true })
            rmSync(seen.sidecar, { force: true })
            return 'gone'
          } finally {
            unlockMutex()
          }
        })
        syncDirs(dirname(path))
        return { outcome: result === 'changed' ? 'precondition_failed' : 'ok' }
      })
    },
    async listPage(request) {
      checkListRequest(request)
      return classified(request.prefix, async () => {
        await ready
        const { prefix, start_after, limit } = request
        const keys = (await allKeys(root, ''))
          .filter((key) => isUnderPrefix(key, prefix))
          .filter((key) => start_after === undefined || compareKeys(key, start_after) > 0)
          .toSorted(compareKeys)
          .slice(0, limit)
        const objects: ListedObject[] = []
        for (const key of keys) {
          const current = await currentToken(key, join(root, ...key.split('/')))
          if (current === null) continue
          const { token, identity } = current
          objects.push({
            key,
            token,
            size: Number(identity.size),
            last_modified_ms: Number(identity.mtimeMs),
          })
        }
        const last = keys.at(-1)
        return keys.length === limit && last !== undefined ? { objects, next_start_after: last } : { objects }
      })
    },
  }

  /** Removes what a failed put prepared; a leftover is harmless and is swept at the next start. */
  async function discard({ temp, sidecar }: Generation): Promise<void> {
    await rm(sidecar, { force: true }).catch(() => undefined)
    await rm(temp, { force: true }).catch(() => undefined)
  }
}

/** A file that is ready to become the object. */
interface Generation {
  readonly temp: string
  readonly token: Token
  readonly sidecar: string
}

/** The object as it was found before the mutex was taken. */
interface Current {
  readonly token: Token
  readonly identity: BigIntStats
  readonly sidecar: string
}

/** The path still shows the very file that was compared. */
function isStill(path: string, seen: Current | null): boolean {
  if (seen === null) return statSync(path, { throwIfNoEntry: false }) === undefined
  return isStillOpen(path, seen.identity)
}

/** The path still names the file of this identity. */
function isStillOpen(path: string, identity: BigIntStats): boolean {
  const now = statSync(path, { bigint: true, throwIfNoEntry: false })
  return now?.ino === identity.ino && now.mtimeNs === identity.mtimeNs && now.size === identity.size
}

/** A new name is durable only when its directory is. */
function syncDirs(path: string): void {
  const dir = openSync(path, 'r')
  try {
    fsyncSync(dir)
  } finally {
    closeSync(dir)
  }
}

async function allKeys(dir: string, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const key = prefix + entry.name
    if (key === META_DIR) continue
    if (entry.isDirectory()) keys.push(...(await allKeys(join(dir, entry.name), `${key}/`)))
    else if (entry.isFile()) keys.push(key)
  }
  return keys
}

async function removeStaleTemps(temp_dir: string): Promise<void> {
  for (const name of await readdir(temp_dir)) {
    const path = join(temp_dir, name)
    const info = await stat(path).catch(absent)
    if (info !== null && Date.now() - info.mtimeMs > STALE_TEMP_MS) await rm(path, { force: true })
  }
}

function freshUlid(): string {
  return ulid(undefined, () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32)
}

function refuseAborted(key: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new StoreError('unavailable', key, 'the call was aborted')
}

/** Null for a file that is not there; other failures are thrown on. */
function absent(error: unknown): null {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return null
  throw error
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Runs a read or a delete; a file system error becomes a StoreError. */
async function classified<T>(key: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw storeError(key, error)
  }
}

/** A put that failed before its link or rename: nothing was stored. A full disk may have room later. */
function beforeEffect(key: string, error: unknown): PutResult {
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EMFILE' || code === 'ENFILE')
    return { outcome: 'no_effect' }
  throw storeError(key, error)
}

function storeError(key: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause
  const code = codeOf(cause) ?? ''
  if (DENIED.has(code)) return new StoreError('denied', key, 'the folder does not allow it', { cause })
  if (UNUSABLE.has(code)) {
    return new StoreError('misconfigured', key, 'the path is not usable as an object', { cause })
  }
  return new StoreError('unavailable', key, 'the folder did not answer', { cause })
}

const DENIED: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'ELOOP'])
const UNUSABLE: ReadonlySet<string> = new Set(['EISDIR', 'ENOTDIR', 'EROFS'])

/** Where the folder's own bookkeeping is, for operators and tests. */
export function metaDir(folder: string): string {
  return `${resolve(folder)}${sep}${META_DIR}`
}
