/**
 * A copy of `lib/` with one rule broken, for showing that a test would notice (spec/correctness.md 9.9). The wrong variants
 * exist only here: production code has no switch for them.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const REPOSITORY = resolve(import.meta.dirname, '../..')

/** Ignored by git and all tools, and inside the repository, so that the copies find their packages. */
const COPIES = join(REPOSITORY, 'coverage')

/** One change of the code; `find` matches exactly once. */
export interface SourceEdit {
  /** Below `lib/protocol/`. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** Do something with the changed code; its folder is gone afterwards. `load` takes paths below `lib/`. */
export async function withMutant<T>(
  edits: readonly SourceEdit[],
  use: (load: <M>(path: string) => Promise<M>) => Promise<T>,
): Promise<T> {
  return withMutantTree(edits, ['lib'], async (folder) =>
    use(
      async (path) =>
        (await import(/* @vite-ignore */ pathToFileURL(join(folder, 'lib', path)).href)) as never,
    ),
  )
}

/** The same with more folders beside `lib/`, for starting a process of the changed code; `use` gets where they are. */
export async function withMutantTree<T>(
  edits: readonly SourceEdit[],
  folders: readonly string[],
  use: (folder: string) => Promise<T>,
): Promise<T> {
  mkdirSync(COPIES, { recursive: true })
  const folder = mkdtempSync(join(COPIES, 'mutant-'))
  try {
    for (const name of folders) cpSync(join(REPOSITORY, name), join(folder, name), { recursive: true })
    for (const edit of edits) applyEdit(join(folder, 'lib/protocol', edit.file), edit)
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function applyEdit(file: string, { find, replace }: SourceEdit): void {
  const source = readFileSync(file, 'utf8')
  const matches = source.split(find).length - 1
  // An edit that matches nothing would leave the code right, and its test would prove nothing.
  if (matches !== 1) throw new Error(`${file}: expected one match, got ${matches}, of\n${find}`)
  writeFileSync(
    file,
    source.replace(find, () => replace),
  )
}
