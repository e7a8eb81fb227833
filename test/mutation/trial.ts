/**
 * One process of `mutate.ts`: loads the mutated sources and the tests of the fold once, switches on every mutant of its
 * share in turn, and tells its parent what became of it.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import type { LoadHookSync, ResolveHookSync } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { mutate } from './mutants.ts'
import type { Mutant, Mutation } from './mutants.ts'
import type { Collected } from './runner.ts'

const REPOSITORY = join(import.meta.dirname, '../..')
const OURS = pathToFileURL(REPOSITORY).href
const FOLD = 'lib/protocol/orchestration/fold'
const TABLES = 'lib/protocol/orchestration/tables'
const TESTS = 'test/protocol/orchestration'

/** Rounds of all loops within one call of the fold; honest ones need some hundreds. */
const ROUNDS_MAX = 100_000

/** Where loops begin to count anew. */
const ENTRIES = /^(fold|loadState|replayFold|takeDelta|allRows|rebuildGraphs)$/

/** The cheapest first. */
const FILES = ['fold-cases', 'fold-model', 'vectors', 'fold-invariants', 'fold-batches'].map(
  (name) => `${TESTS}/${name}.test.ts`,
)

const [part = '', share = '0', shares = '1', ids = ''] = process.argv.slice(2)

const mutation: Mutation = {
  on: -1,
  rounds: 0,
  round() {
    mutation.rounds += 1
    if (mutation.rounds > ROUNDS_MAX) throw new Error('goes round forever')
  },
}
Object.assign(globalThis, { mutation })

process.env['TIDEMARK_CASES'] = '40'
// Always the same cases; and the first failure is enough.
fc.configureGlobal({ seed: 5, endOnFailure: true })

const { mutants, texts } = mutated()
registerHooks({ resolve: resolveInWorld, load: loadMutated })

/** Names of the tests that noticed the last mutants, the latest first. */
let last_noticing: readonly string[] = []

const tests: Collected[] = []
for (const file of FILES) tests.push(...(await testsOf(file, -1)))
for (const { run } of tests) await run()

const only_ids = new Set(ids.split(',').filter((id) => id !== ''))
const chosen = mutants.filter(
  ({ id, file }) => file.includes(part) && (only_ids.size === 0 || only_ids.has(String(id))),
)
for (const [index, mutant] of chosen.entries()) {
  if (index % Number(shares) !== Number(share)) continue
  process.send?.({ mutant, noticed_by: await noticing(mutant) })
}
process.disconnect()

function mutated(): { mutants: Mutant[]; texts: Map<string, string> } {
  const all: Mutant[] = []
  const byUrl = new Map<string, string>()
  const folded = readdirSync(join(REPOSITORY, FOLD)).map((name) => ({ file: `${FOLD}/${name}`, only: /^/ }))
  const merged = ['backfills', 'columns', 'keys', 'runs'].map((name) => ({
    file: `${TABLES}/${name}.ts`,
    only: /^(replaces\w*|isNotOlder|isNewer)$/,
  }))
  for (const { file, only } of [...folded, ...merged]) {
    const path = join(REPOSITORY, file)
    const found = mutate(file, readFileSync(path, 'utf8'), { first: all.length, entries: ENTRIES, only })
    byUrl.set(pathToFileURL(path).href, found.text)
    all.push(...found.mutants)
  }
  return { mutants: all, texts: byUrl }
}

/**
 * A mutant at the top of a module takes effect when the module is loaded. So the world of such a mutant is loaded anew,
 * under a query of its own.
 */
function resolveInWorld(
  ...[specifier, context, next]: Parameters<ResolveHookSync>
): ReturnType<ResolveHookSync> {
  if (specifier === 'vitest' && context.parentURL?.includes('.test.ts') === true)
    return { url: pathToFileURL(join(import.meta.dirname, 'runner.ts')).href, shortCircuit: true }
  const found = next(specifier, context)
  const world = /\?world=-?[0-9]+$/.exec(context.parentURL ?? '')?.[0]
  const is_ours = found.url.startsWith(OURS) && !found.url.includes('/node_modules/')
  if (world === undefined || !is_ours || found.url.includes('?')) return found
  return { ...found, url: `${found.url}${world}` }
}

function loadMutated(...[url, context, next]: Parameters<LoadHookSync>): ReturnType<LoadHookSync> {
  const text = texts.get(url.replace(/\?.*$/, ''))
  if (text === undefined) return next(url, context)
  return { format: 'module-typescript', source: text, shortCircuit: true }
}

async function testsOf(file: string, world: number): Promise<Collected[]> {
  const { takeCollected } = await import('./runner.ts')
  await import(`${pathToFileURL(join(REPOSITORY, file)).href}?world=${world}`)
  return takeCollected()
}

/** The test that notices a mutant, or null. */
async function noticing(mutant: Mutant): Promise<string | null> {
  mutation.on = mutant.id
  mutation.rounds = 0
  try {
    const failed = mutant.within === '' ? null : await firstToFail(tests)
    // An arrow of a constant is within itself, but which one it is was settled when the module was loaded.
    if (failed !== null || (mutant.within !== '' && mutant.kind !== 'function')) return failed
    return await noticingAnew(mutant)
  } catch {
    return 'it does not load'
  } finally {
    mutation.on = -1
  }
}

/** As `noticing`, in a world in which the mutant was on when it was loaded. */
async function noticingAnew(mutant: Mutant): Promise<string | null> {
  for (const file of FILES) {
    const failed = await firstToFail(await testsOf(file, mutant.id))
    if (failed !== null) return failed
  }
  return null
}

/** What noticed the last mutants is tried first, because mutants of one function are often noticed by one test. */
async function firstToFail(of: readonly Collected[]): Promise<string | null> {
  for (const { name, run } of of.toSorted((a, b) => rank(a) - rank(b))) {
    try {
      await run()
    } catch {
      last_noticing = [name, ...last_noticing.filter((other) => other !== name)].slice(0, 3)
      return name
    }
  }
  return null
}

function rank({ name }: Collected): number {
  const at = last_noticing.indexOf(name)
  return at === -1 ? last_noticing.length : at
}
