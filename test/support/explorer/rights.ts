/**
 * What a process of Tidemark may ask of the store: C16, C17, C18, C20, C22 and R13 of spec/correctness.md, checked
 * once for every position that a process can come to.
 */
import { checkpointHintPath, logPath, stagingPrefix, statePath } from '../../../lib/protocol/paths.ts'
import type { StoredObject } from '../../../lib/store/types.ts'
import { parseStoredState } from './facts.ts'
import type { History, StoreOp } from './history.ts'
import { ROOT, TABLE, type Role } from './scenario.ts'
import { isTidemark, type Part, type Setup } from './setup.ts'
import { Violation } from './violation.ts'

type PutOp = StoreOp & { readonly kind: 'put' }

/** Store operations of one request (R22). */
const OPERATIONS_MAX = 32

/** R22 counts decisions and repeats of a CAS, at most 8; one decision may reserve, release and finalize. */
const CAS_MAX = 8 + 2

/** Sequential round trips of inspect (spec/http-api.md 4.3). */
const INSPECT_ROUNDS_MAX = 2

/** The kinds of objects of one table. */
const KINDS = {
  state: new RegExp(`^${statePath(TABLE)}$`),
  marker: new RegExp(`^delta/idempotency/${TABLE}/[0-9a-f]{2}/[0-9a-f]{64}\\.json$`),
  log: new RegExp(`^${ROOT}/_delta_log/\\d{20}\\.json$`),
  staged: new RegExp(`^${stagingPrefix(TABLE)}[^/]+\\.json$`),
  hint: new RegExp(`^${checkpointHintPath(ROOT)}$`),
}
type Kind = keyof typeof KINDS

/** What each operation may put (C16). */
const PUTS: Readonly<Partial<Record<Role['role'], readonly Kind[]>>> = {
  commit: ['state', 'marker', 'log'],
  recover: ['state', 'marker', 'log'],
  stage: ['staged'],
}

const checked = new WeakSet<History>()

/** Throw the Violation if a process of Tidemark is not within its rights, or has failed by a bug. */
export function checkRights(setup: Setup, part: Part, history: History): void {
  if (checked.has(history) || !isTidemark(part)) return
  checked.add(history)
  if (history.ending !== null && 'threw' in history.ending) {
    throw new Violation('bug', `${part.name} threw ${String(history.ending.threw)}`)
  }
  if (history.operations > OPERATIONS_MAX) {
    throw new Violation('C18', `${part.name}: ${history.operations} operations`)
  }
  if (part.role === 'inspect' && history.rounds > INSPECT_ROUNDS_MAX) {
    throw new Violation('C18', `${part.name}: ${history.rounds} round trips`)
  }
  for (const op of history.ops) checkOp(setup, part, history, op)
}

function checkOp(setup: Setup, part: Part, history: History, op: StoreOp): void {
  const label = setup.label(op.path)
  const kind = (Object.keys(KINDS) as Kind[]).find((name) => KINDS[name].test(op.path))
  if (kind === undefined) throw new Violation('C16', `${part.name}: ${op.kind} ${op.path}`)
  if (op.kind === 'delete') throw new Violation('C20', `${part.name} deletes ${label}`)
  if (op.kind === 'get') return
  if (PUTS[part.role]?.includes(kind) !== true) throw new Violation('C16', `${part.name} puts ${label}`)
  if (kind !== 'state' && op.precondition !== 'doesNotExist') {
    throw new Violation('C20', `${part.name} overwrites ${label}`)
  }
  if (kind === 'state') checkCas(setup, part, history, op.body.text)
  if (kind === 'log') checkMaterialized(setup, part, history, op)
}

/** R13: a reservation carries an id that this very process has drawn for it. R22: a bounded number of CAS. */
function checkCas(setup: Setup, part: Part, history: History, text: string): void {
  const written = stateWrites(history)
  if (written.length > CAS_MAX) throw new Violation('C18', `${part.name}: more than ${CAS_MAX} CAS`)
  const { inflight } = parseStoredState(text)
  if (inflight === null || setup.scenario.breaks?.includes('R13')) return
  const used = written.filter((other) => parseStoredState(other).inflight?.nonce === inflight.nonce).length
  if (used > 1 || inflight.nonce === undefined || !part.actor.drew(inflight.nonce)) {
    throw new Violation('R13', `${part.name} reserves with the nonce ${inflight.nonce}`)
  }
}

/** Every state that this process has tried to write so far. */
function stateWrites(history: History): string[] {
  const found: string[] = []
  for (let at: History | null = history; at !== null; at = at.parent) {
    for (const op of at.ops) if (op.kind === 'put' && op.path === statePath(TABLE)) found.push(op.body.text)
  }
  return found
}

/** C22: into the log go one's own bytes, or those of a reservation that one has seen; a no-op only under `seal`. */
function checkMaterialized(setup: Setup, part: Part, history: History, op: PutOp): void {
  const { request } = part
  if (request?.body === op.body && op.path === logPath(ROOT, request.read_version + 1)) return
  const is_seal = op.body.text.includes('"operation":"NOOP"')
  if (is_seal && setup.scenario.settings?.lostPayload?.(TABLE) === 'seal') return
  for (let at: History | null = history; at !== null; at = at.parent) {
    for (const [index, given] of at.last.entries()) {
      if (at.parent?.ops[index]?.path !== statePath(TABLE)) continue
      if (isReservedBy(given.value as Partial<StoredObject>, op)) return
    }
  }
  throw new Violation(
    'C22',
    `${part.name} writes ${setup.label(op.path)} with bytes that no reservation names`,
  )
}

/** A state that was read, and whether its reservation is for this entry with these bytes. */
function isReservedBy({ bytes }: Partial<StoredObject>, op: PutOp): boolean {
  if (bytes === undefined) return false
  const { inflight } = parseStoredState(new TextDecoder().decode(bytes))
  if (inflight === null || op.path !== logPath(ROOT, inflight.version)) return false
  // A reservation of an old writer names no hash; C1 and C8 watch over its bytes.
  return inflight.payload_sha256 === undefined || inflight.payload_sha256 === op.body.sha256
}
