/** delta-rs, another implementation of Delta Lake, as a reader of tables (scripts/install-delta-rs.mjs brings it). */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY } from '../house/tools.ts'
import { runCommand } from './process.ts'

const FOLDER = join(REPOSITORY, '.servers', 'delta-rs')

/** The Python that has it. */
export const PYTHON = join(FOLDER, 'bin', 'python')

/** Why nothing can be read by delta-rs here; null when it can. */
export function whyNoDeltaRs(): string | null {
  return existsSync(join(FOLDER, 'packages.txt'))
    ? null
    : 'delta-rs is not installed (Python 3 and PyPI are needed)'
}

/** What to read: folders or URLs by a name of the caller's, and how delta-rs gets there. */
export interface DeltaRsRequest {
  readonly tables: Readonly<Record<string, string>>
  readonly storage_options: Readonly<Record<string, string>>
  /** The column whose values are returned. */
  readonly column: string
}

/** The latest version of each table, and the column's values in it. */
export type DeltaRsTables = Readonly<
  Record<string, { readonly version: number; readonly rows: readonly string[] }>
>

/** Read tables; an Error says what delta-rs could not make of them. */
export async function readByDeltaRs(request: DeltaRsRequest): Promise<DeltaRsTables> {
  const { code, stdout, stderr } = await runCommand({
    command: PYTHON,
    args: [join(REPOSITORY, 'test/support/delta-rs.py'), JSON.stringify(request)],
    cwd: REPOSITORY,
  })
  if (code !== 0) throw new Error(`delta-rs: ${stderr.trim().split('\n').at(-1) ?? code}`)
  return JSON.parse(stdout)
}

/** Let delta-rs write tables below a folder, one a subfolder (`delta-rs-tables.py`); an Error says why it could not. */
export async function writeByDeltaRs(folder: string): Promise<void> {
  const { code, stderr } = await runCommand({
    command: join(FOLDER, 'bin', 'python'),
    args: [join(REPOSITORY, 'test/support/delta-rs-tables.py'), folder],
    cwd: REPOSITORY,
  })
  if (code !== 0) throw new Error(`delta-rs: ${stderr.trim().split('\n').at(-1) ?? code}`)
}
