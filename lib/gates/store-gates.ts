/** What everything else rests on: conditional writes (spec/correctness.md A3). `npm run doctor` looks closer. */
import { sameVersion } from '../store/tokens.ts'
import type { Precondition, Token } from '../store/types.ts'
import { evaluated, type Workspace } from './bench.ts'
import { Broken, expectSame, Undecided, type Gate } from './gate.ts'

/** Writers that race for one key. */
const RACERS = 8

const conditionalCreate: Gate = {
  id: 'conditional-create',
  promise: 'The store creates an object once, however many ask for it',
  async prove(bench) {
    const workspace = bench.workspace('conditional-create')
    await mustWrite(workspace, 'once', 'first', 'doesNotExist')
    await mustNotWrite(workspace, 'once', 'second', 'doesNotExist')
    expectSame('the object afterwards', 'first', await workspace.text('once'))
    const winner = await race(workspace, 'raced', 'doesNotExist')
    expectSame('the object that was raced for', winner, await workspace.text('raced'))
    return `a second create was refused; ${RACERS} raced and one won`
  },
}

const conditionalReplace: Gate = {
  id: 'conditional-replace',
  promise: 'The store replaces an object only for a writer that has seen its last version',
  async prove(bench) {
    const workspace = bench.workspace('conditional-replace')
    const first = await mustWrite(workspace, 'state', 'first', 'doesNotExist')
    const second = await mustWrite(workspace, 'state', 'second', { matchesVersion: first })
    if (sameVersion(first, second)) throw new Broken('other bytes have the same version token')
    await mustNotWrite(workspace, 'state', 'stale', { matchesVersion: first })
    expectSame('the object after a stale replace', 'second', await workspace.text('state'))
    const winner = await race(workspace, 'state', { matchesVersion: second })
    expectSame('the object that was raced for', winner, await workspace.text('state'))
    return `a stale replace was refused; ${RACERS} raced and one won`
  },
}

type Condition = Exclude<Precondition, 'none'>

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

async function mustWrite(
  workspace: Workspace,
  path: string,
  text: string,
  condition: Condition,
): Promise<Token> {
  const result = await evaluated(workspace.store, path, encode(text), condition)
  if (result.outcome === 'ok') return result.token
  const what = `a put of ${path} whose condition holds`
  if (result.outcome === 'precondition_failed')
    throw new Broken(`${what}: expected it written, saw a refusal`)
  throw new Undecided(`${what}: ${result.outcome}`)
}

async function mustNotWrite(
  workspace: Workspace,
  path: string,
  text: string,
  condition: Condition,
): Promise<void> {
  const { outcome } = await evaluated(workspace.store, path, encode(text), condition)
  if (outcome === 'precondition_failed') return
  const what = `a put of ${path} whose condition does not hold`
  if (outcome === 'ok') throw new Broken(`${what}: expected a refusal, saw it written`)
  throw new Undecided(`${what}: ${outcome}`)
}

/** What the one writer wrote that won. */
async function race(workspace: Workspace, path: string, condition: Condition): Promise<string> {
  const texts = Array.from({ length: RACERS }, (_, at) => `racer ${at}`)
  const outcomes = await Promise.all(
    texts.map(async (text) => (await workspace.store.put(path, encode(text), condition)).outcome),
  )
  const winners = texts.filter((_, at) => outcomes[at] === 'ok')
  const [winner] = winners
  if (winners.length > 1) throw new Broken(`a race for ${path}: expected one winner, saw ${winners.length}`)
  // A put without an answer may be the one that won.
  if (winner === undefined) throw new Undecided(`a race for ${path}: ${[...new Set(outcomes)].join(', ')}`)
  return winner
}

/** The store's share of the promises. */
export const STORE_GATES: readonly Gate[] = [conditionalCreate, conditionalReplace]
