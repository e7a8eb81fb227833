/**
 * One at a time, between processes and within one: `BEGIN IMMEDIATE` of an SQLite file that is only ever locked and
 * never written. The kernel drops the lock when its holder dies (docs/decisions/0002-folder-store.md).
 */
import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../types.ts'

/** What `hold` comes to when somebody else had the mutex for all of the waiting time. */
export const BUSY: unique symbol = Symbol('busy')

/** Lets one writer at a time do what must not be interleaved. */
export interface Mutex {
  /** Runs `work`, which must be synchronous, while nobody else is inside; or gives up and does not run it. */
  hold<T>(work: () => T): Promise<T | typeof BUSY>
}

/** Shortest and longest pause between two tries; a holder is inside for the length of a rename. */
const PAUSE_MIN_MS = 1
const PAUSE_MAX_MS = 20

/** Open the mutex in the file at `path`; the file is created when missing. */
export function openMutex(path: string, wait_ms: number): Mutex {
  // No waiting inside SQLite: it would block the event loop while another process holds the lock.
  const database = new DatabaseSync(path, { timeout: 0 })
  const opened = statSync(path)
  let turn: Promise<unknown> = Promise.resolve()

  /** Somebody who opens the path now would lock another file: two holders. */
  function assertSameFile(): void {
    const now = statSync(path, { throwIfNoEntry: false })
    if (now?.ino !== opened.ino || now.dev !== opened.dev) {
      throw new StoreError(
        'misconfigured',
        path,
        'the mutex was removed while the store is open; restart the server',
      )
    }
  }

  function lock(): boolean {
    try {
      database.exec('BEGIN IMMEDIATE')
      return true
    } catch (error) {
      if (isBusy(error)) return false
      // SQLite notices a removed file too, but calls it an I/O error.
      assertSameFile()
      throw error
    }
  }

  function tryHold<T>(work: () => T): T | typeof BUSY {
    if (!lock()) return BUSY
    try {
      assertSameFile()
      return work()
    } finally {
      database.exec('ROLLBACK')
    }
  }

  async function holdUntil<T>(deadline_ms: number, work: () => T): Promise<T | typeof BUSY> {
    for (let pause_ms = PAUSE_MIN_MS; ; pause_ms = Math.min(2 * pause_ms, PAUSE_MAX_MS)) {
      const result = tryHold(work)
      if (result !== BUSY || performance.now() >= deadline_ms) return result
      await new Promise((resolve) => setTimeout(resolve, pause_ms))
    }
  }

  return {
    async hold(work) {
      const deadline_ms = performance.now() + wait_ms
      // SQLite's lock belongs to the connection, so the writers of this process queue.
      const mine = turn.then(async () => holdUntil(deadline_ms, work))
      turn = mine.catch(() => undefined)
      return mine
    },
  }
}

const SQLITE_BUSY = 5

/** The low byte of an SQLite code is its class; `node:sqlite` puts it on the error as `errcode`. */
function isBusy(error: unknown): boolean {
  return (
    error instanceof Error &&
    'errcode' in error &&
    typeof error.errcode === 'number' &&
    (error.errcode & 0xff) === SQLITE_BUSY
  )
}
