/**
 * A copy of `lib/` with one rule broken, for showing that the tests would notice (spec/correctness.md 9.9). The wrong
 * variants exist only here: production code has no switch for them.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Edit } from './mutants.ts'
import type { DeltaProtocol } from './protocol.ts'

const REPOSITORY = resolve(import.meta.dirname, '../../..')

/** Ignored by git and all tools, and inside the repository, so that the copies find their packages. */
const COPIES = join(REPOSITORY, 'coverage')

/** A mutated protocol, and its folder's end. */
export interface Mutated {
  readonly protocol: DeltaProtocol
  remove(): void
}

/** Copy `lib/`, apply the edits, import the copy. Throws when an edit does not match exactly once. */
export async function mutate(edits: readonly Edit[]): Promise<Mutated> {
  mkdirSync(COPIES, { recursive: true })
  const folder = mkdtempSync(join(COPIES, 'mutant-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    cpSync(join(REPOSITORY, 'lib'), join(folder, 'lib'), { recursive: true })
    for (const edit of edits) applyEdit(join(folder, 'lib/protocol/delta', edit.file), edit)
    return { protocol: await load(folder), remove }
  } catch (error) {
    remove()
    throw error
  }
}

function applyEdit(file: string, { find, replace }: Edit): void {
  const source = readFileSync(file, 'utf8')
  const matches = source.split(find).length - 1
  // An edit that matches nothing would leave the code right, and its test would prove nothing.
  if (matches !== 1) throw new Error(`${file}: expected one match, got ${matches}, of\n${find}`)
  writeFileSync(
    file,
    source.replace(find, () => replace),
  )
}

async function load(folder: string): Promise<DeltaProtocol> {
  const module = async (path: string): Promise<unknown> =>
    import(/* @vite-ignore */ pathToFileURL(join(folder, 'lib', path)).href)
  const [commit, inspect, recover, stage, types] = await Promise.all(
    [
      'protocol/delta/commit.ts',
      'protocol/delta/inspect.ts',
      'protocol/delta/recover.ts',
      'protocol/delta/stage.ts',
      'store/types.ts',
    ].map(module),
  )
  return Object.assign({}, commit, inspect, recover, stage, types) as DeltaProtocol
}
