/** The runbook writes to fixed names below /tmp: two runs of the tests on one machine must not meet there. */
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Work while this machine's one `file` is ours: a lock that the kernel releases, whatever happens to this process. */
export async function alone<T>(file: string, work: () => Promise<T>): Promise<T> {
  const lock = new DatabaseSync(join(tmpdir(), `tidemark-runbook-${process.getuid?.() ?? 0}.lock`), {
    timeout: 20_000,
  })
  try {
    lock.exec('BEGIN IMMEDIATE')
    return await work()
  } finally {
    rmSync(file, { force: true })
    lock.close()
  }
}
