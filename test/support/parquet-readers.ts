/** Other implementations of Parquet as readers of our files (scripts/install-delta-rs.mjs brings them). */
import { join } from 'node:path'
import { REPOSITORY } from '../house/tools.ts'
import { PYTHON, whyNoDeltaRs } from './delta-rs.ts'
import { runCommand } from './process.ts'

/** `pyarrow` is Arrow in C++, `arro3` the Rust crate with which Arco reads. */
export const PARQUET_READERS = ['pyarrow', 'arro3'] as const

/** One of `PARQUET_READERS`. */
export type ParquetReader = (typeof PARQUET_READERS)[number]

/** What a reader saw in a file: name, Arrow type and nullability of each column, and the cells; integers are texts. */
export interface SeenFile {
  readonly columns: readonly (readonly [string, string, boolean])[]
  readonly rows: readonly (readonly (string | boolean | null)[])[]
}

/** Why no file can be read by others here; null when it can. */
export const whyNoParquetReaders: () => string | null = whyNoDeltaRs

/** Read files, named by the caller, by every reader; an Error says what one of them could not make of a file. */
export async function readByOthers(
  files: Readonly<Record<string, string>>,
): Promise<Readonly<Record<ParquetReader, Readonly<Record<string, SeenFile>>>>> {
  const { code, stdout, stderr } = await runCommand({
    command: PYTHON,
    args: [join(REPOSITORY, 'test/support/parquet-readers.py'), JSON.stringify(files)],
    cwd: REPOSITORY,
  })
  if (code !== 0) throw new Error(stderr.trim().split('\n').at(-1) ?? `exit code ${code}`)
  return JSON.parse(stdout)
}
