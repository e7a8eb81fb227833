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
    for (const [file, those] of Map.groupBy(edits, (edit) => edit.file)) {
      applyEdits(join(folder, 'lib/protocol/delta', file), those)
    }
    return { protocol: await load(folder), remove }
  } catch (error) {
    remove()
    throw error
  }
}

function applyEdits(file: string, edits: readonly Edit[]): void {
  const source = readFileSync(file, 'utf8')
  // From the end, so that the places found stay true.
  const places = edits.map((edit) => ({ ...placeOf(file, source, edit), text: edit.replace.trim() }))
  const edited = places
    .toSorted((a, b) => b.start - a.start)
    .reduce((whole, { start, end, text }) => whole.slice(0, start) + text + whole.slice(end), source)
  writeFileSync(file, edited)
}

/** Where an edit applies. Spaces and line breaks match any others, so that formatting does not matter. */
function placeOf(file: string, source: string, { find, before = '' }: Edit): { start: number; end: number } {
  const matches = [
    ...source.matchAll(new RegExp(`(${pattern(find)})${find === '' ? '' : '\\s*'}${pattern(before)}`, 'g')),
  ]
  const [match] = matches
  // An edit that matches nothing would leave the code right, and its test would prove nothing.
  if (match === undefined || matches.length > 1) {
    throw new Error(`${file}: expected one match, got ${matches.length}, of\n${find}${before}`)
  }
  return { start: match.index, end: match.index + (match[1] ?? '').length }
}

function pattern(text: string): string {
  const words = text
    .trim()
    .split(/\s+/)
    .map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return words.join('\\s+')
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
