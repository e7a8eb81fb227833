/**
 * Generations of objects as files. A generation is (inode, mtime, content); its token, a fresh ULID, is the text of a
 * sidecar named after the key and those three, the mtime in ms, because Deno's stat knows no less. The sidecar is durable before the generation is visible, and a reader
 * derives its name from what it read through one open file: bytes and token cannot come from two generations.
 *
 * A file without a sidecar was put there, or changed in place, by another tool; its token is derived from content and
 * mtime. A sidecar that a kill left behind can only be found again by the same bytes in the same inode with the same
 * mtime. Whoever acts on an inode number holds its file open meanwhile: the number is nobody else's until then.
 */
import { createHash } from 'node:crypto'
import { constants, lstatSync, type BigIntStats } from 'node:fs'
import { open, readdir, readFile, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ulid } from 'ulid'
import { formatToken, type TokenFormat } from '../tokens.ts'
import { StoreError, type Token } from '../types.ts'
import { syncDir, type DurableDirs } from './durable.ts'
import { absent } from './errors.ts'

/** The generation that a path shows, held open while somebody looks at it. */
export interface OpenGeneration {
  readonly token: Token
  readonly stats: BigIntStats
  readonly sidecar: string
  /** Empty unless they were asked for. */
  readonly bytes: Uint8Array
}

/** A complete, durable file with a sidecar, not visible yet. */
export interface NewGeneration {
  readonly temp: string
  readonly token: Token
  readonly sidecar: string
}

/** Keep the bytes, and refuse more than so many. */
export interface KeepBytes {
  readonly bytes_max: number | undefined
}

/** Makes generations and tells them apart. */
export interface Generations {
  /**
   * Calls `use` with the generation at the path, null when there is no object, and holds it open until `use` is done.
   * Without `keep` its content is only hashed.
   */
  look<T>(
    object: ObjectFile,
    keep: KeepBytes | null,
    use: (seen: OpenGeneration | null) => Promise<T>,
  ): Promise<T>
  prepare(key: string, bytes: Uint8Array): Promise<NewGeneration>
  /** Removes what a put prepared in vain. A leftover is harmless: temp files are swept at a later start. */
  discard(generation: NewGeneration): Promise<void>
}

/** An object and where it lies. */
export interface ObjectFile {
  readonly key: string
  readonly path: string
}

/** Looks at an object that another tool changes again and again. */
const LOOKS_MAX = 16

/** Temp files of a killed process are removed after this time. */
const STALE_TEMP_MS = 3_600_000

/** Open the bookkeeping below `meta_dir`. */
export async function openGenerations(
  meta_dir: string,
  dirs: DurableDirs,
  token_format: TokenFormat,
): Promise<Generations> {
  const temp_dir = join(meta_dir, 'tmp')
  const token_dir = join(meta_dir, 'tokens')
  await dirs.make(temp_dir)
  await dirs.make(token_dir)
  await removeStaleTemps(temp_dir)

  function sidecarOf(key: string, stats: BigIntStats, digest: string): string {
    const name = createHash('sha256').update(key).digest('hex')
    return join(token_dir, name.slice(0, 2), `${name}-${stats.ino}-${stats.mtimeMs}-${digest}`)
  }

  /** Complete from the first moment, and durable. An older one of the same name is replaced. */
  async function writeSidecar(sidecar: string, token: Token, temp: string): Promise<void> {
    await dirs.make(dirname(sidecar))
    const draft = `${temp}.token`
    try {
      await writeFile(draft, token, { flag: 'wx', flush: true })
      await rename(draft, sidecar)
    } catch (error) {
      await removeQuietly(draft)
      throw error
    }
    await syncDir(dirname(sidecar))
  }

  /** Null when the file changed or was replaced meanwhile, so that nothing can be said of it. */
  async function inspect(
    { key, path }: ObjectFile,
    file: FileHandle,
    keep: KeepBytes | null,
  ): Promise<OpenGeneration | null> {
    const stats = await file.stat({ bigint: true })
    if (!stats.isFile()) throw new StoreError('denied', key, 'not a regular file')
    const { bytes, digest } = keep === null ? await hash(file, stats) : await read(key, file, stats, keep)
    const sidecar = sidecarOf(key, stats, digest)
    const own = await readFile(sidecar, 'utf8').catch(absent)
    if (own !== null && own !== '') return { token: own, stats, sidecar, bytes }
    // Changed in place while it was read; or replaced, and then its sidecar may be gone although it had one.
    if (!isStill(path, stats)) return null
    const token = formatToken({ e_tag: `fs-${digest}-${stats.mtimeNs}`, version: null }, token_format)
    return { token, stats, sidecar, bytes }
  }

  return {
    async look(object, keep, use) {
      for (let attempt = 1; attempt <= LOOKS_MAX; attempt++) {
        const file = await openFile(object.path)
        if (file === null) return use(null)
        try {
          const seen = await inspect(object, file, keep)
          if (seen !== null) return await use(seen)
        } finally {
          // Only read: a failure to close it takes nothing back.
          await file.close().catch(() => undefined)
        }
      }
      throw new StoreError(
        'unavailable',
        object.key,
        `the file changed during each of ${LOOKS_MAX} looks at it`,
      )
    },

    async prepare(key, bytes) {
      const id = freshUlid()
      const temp = join(temp_dir, id)
      const token = formatToken({ e_tag: id, version: null }, token_format)
      const file = await open(temp, 'wx')
      try {
        await file.writeFile(bytes)
        const stats = await file.stat({ bigint: true })
        const sidecar = sidecarOf(key, stats, digestOf(bytes))
        // Together, because a disk flushes two files in the time of one.
        await Promise.all([file.sync(), writeSidecar(sidecar, token, temp)])
        return { temp, token, sidecar }
      } catch (error) {
        await removeQuietly(temp)
        throw error
      } finally {
        await file.close()
      }
    },

    async discard({ temp, sidecar }) {
      // In this order: without the temp file its inode number, and with it the sidecar, can be another writer's.
      await removeQuietly(sidecar)
      await removeQuietly(temp)
    },
  }
}

/** The path still shows the very file that was looked at. */
export function isStill(path: string, stats: BigIntStats): boolean {
  const now = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return (
    now !== undefined &&
    now.ino === stats.ino &&
    now.dev === stats.dev &&
    now.mtimeNs === stats.mtimeNs &&
    now.size === stats.size
  )
}

/** Null when no object is there; a directory is none. */
async function openFile(path: string): Promise<FileHandle | null> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    absent,
  )
  if (file === null || !(await file.stat()).isDirectory()) return file
  await file.close()
  return null
}

interface Content {
  readonly bytes: Uint8Array
  readonly digest: string
}

async function read(
  key: string,
  file: FileHandle,
  stats: BigIntStats,
  { bytes_max }: KeepBytes,
): Promise<Content> {
  if (bytes_max !== undefined && stats.size > BigInt(bytes_max)) {
    throw new StoreError('too_large', key, `expected at most ${bytes_max} bytes, found ${stats.size}`)
  }
  const bytes = new Uint8Array(await file.readFile())
  return { bytes, digest: digestOf(bytes) }
}

/** Of a file that may not fit into memory: other tools keep data files beside ours. */
async function hash(file: FileHandle, stats: BigIntStats): Promise<Content> {
  const digest = createHash('sha256')
  const chunk = new Uint8Array(Math.min(Number(stats.size) + 1, CHUNK_BYTES_MAX))
  for (let position = 0; ;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, position)
    if (bytesRead === 0) break
    digest.update(chunk.subarray(0, bytesRead))
    position += bytesRead
  }
  return { bytes: new Uint8Array(), digest: digest.digest('hex').slice(0, DIGEST_CHARS) }
}

const CHUNK_BYTES_MAX = 1024 * 1024

const DIGEST_CHARS = 32

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, DIGEST_CHARS)
}

async function removeStaleTemps(temp_dir: string): Promise<void> {
  for (const name of await readdir(temp_dir)) {
    const path = join(temp_dir, name)
    const info = await stat(path).catch(absent)
    if (info !== null && Date.now() - info.mtimeMs > STALE_TEMP_MS) await rm(path, { force: true })
  }
}

/** For leftovers that harm nobody. */
export async function removeQuietly(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => undefined)
}

function freshUlid(): string {
  return ulid(undefined, () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32)
}
