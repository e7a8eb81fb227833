/**
 * The commit invariants of spec/correctness.md 6 that hold after every step. Those of a bucket by itself are in
 * `facts.ts`, those at the end of all faults in `quiescence.ts`.
 */
import type { CommitResult } from '../../../lib/protocol/delta/outcomes.ts'
import { checkpointHintPath, logPath, stagingPrefix, statePath } from '../../../lib/protocol/paths.ts'
import type { StoredObject } from '../../../lib/store/types.ts'
import { factsOf, parseStoredState, versionsOf, type Facts } from './facts.ts'
import type { History, StoreOp } from './history.ts'
import { ROOT, TABLE } from './scenario.ts'
import type { Part, Request, Setup } from './setup.ts'
import { Violation } from './violation.ts'
import { isOver, isUndisturbed, type World } from './world.ts'

/** Refusals that promise: this body is not in the log and never will be (spec/correctness.md 4). */
export const DEFINITE: ReadonlySet<string> = new Set([
  'stale_read_version',
  'log_conflict',
  'key_reuse',
  'version_overflow',
])

/** Store operations and CAS of one request (R22). */
const OPERATIONS_MAX = 32
const CAS_MAX = 8

/** What a commit answered, or null for a process that is not a commit or has not ended. */
export function answerOf(part: Part, history: History): CommitResult | null {
  if (part.role !== 'commit' || history.ending === null || 'threw' in history.ending) return null
  return history.ending.answered as CommitResult
}

/** Throw the Violation if the world breaks an invariant. `before` is the world that it came from. */
export function checkWorld(setup: Setup, world: World, before: World | null): void {
  const facts = factsOf(setup, world.bucket)
  if (before !== null && before.bucket !== world.bucket)
    checkProgress(setup, factsOf(setup, before.bucket), facts)
  const answers: Answered[] = []
  for (const process of world.processes) {
    const { part, history } = process
    checkHistory(setup, part, history)
    const answer = process.condition === 'killed' ? null : answerOf(part, history)
    if (answer !== null && part.request !== null) answers.push({ request: part.request, answer })
  }
  for (const answered of answers) checkAnswer(setup, facts, answered)
  checkAgreement(answers)
  if (isOver(world) && isUndisturbed(setup, world)) checkUndisturbed(setup, facts, answers)
}

/** One answer to one request. */
export interface Answered {
  readonly request: Request
  readonly answer: CommitResult
}

/** C4: `latest_version` never decreases. R13: every write of the state counts `revision` on. */
export function checkProgress(setup: Setup, { state: before }: Facts, { state: after }: Facts): void {
  if (before === null || after === null || before === after) return
  if (after.latest_version < before.latest_version) {
    throw new Violation('C4', `latest_version went from ${before.latest_version} to ${after.latest_version}`)
  }
  // An old writer drops the member (F15).
  if (before.revision === undefined || after.revision === undefined) return
  if (JSON.stringify(before) === JSON.stringify(after)) return
  if (after.revision !== before.revision + 1 && !setup.scenario.breaks?.includes('R13')) {
    throw new Violation('R13', `revision went from ${before.revision} to ${after.revision}`)
  }
}

/** C1, C10, C11, C19: an answer is true, and stays true. */
export function checkAnswer(setup: Setup, facts: Facts, { request, answer }: Answered): void {
  const { name, body, idempotency_key } = request
  if (!answer.ok) {
    if (!DEFINITE.has(answer.reason)) return
    const versions = versionsOf(facts, body)
    const is_shared = setup.requests.some((other) => other.body === body && other.name !== name)
    if (versions.length > 0 && !is_shared) {
      throw new Violation(
        'C11',
        `${name} was told ${answer.reason} and is in the log at ${versions.join(', ')}`,
      )
    }
    return
  }
  const { version, delta_log_path } = answer
  if (facts.log.get(version) !== body || delta_log_path !== logPath(ROOT, version)) {
    throw new Violation('C1', `${name} was told 200 for version ${version}, which does not hold its bytes`)
  }
  if (facts.markers.get(idempotency_key)?.version !== version) {
    throw new Violation('C10', `${name} was told 200 for version ${version} without a marker`)
  }
  if (facts.state === null || facts.state.latest_version < version) {
    throw new Violation('C19', `${name} was told 200 for version ${version}, which is not finalized`)
  }
}

/** C7: one key, one answer. C21: two keys, one version, only with equal bytes (C1 says the rest). */
export function checkAgreement(answers: readonly Answered[]): void {
  for (const { request, answer } of answers) {
    if (!answer.ok) continue
    for (const other of answers) {
      if (!other.answer.ok || other.answer.version === answer.version) continue
      if (other.request.idempotency_key === request.idempotency_key) {
        throw new Violation('C7', `key ${request.key} was told ${answer.version} and ${other.answer.version}`)
      }
    }
  }
}

/** Answers that tell a client to come again, and why somebody else may be the cause. */
const COME_AGAIN: ReadonlySet<string> = new Set(['reserved', 'contention'])

/**
 * Without any fault: nothing is left behind (C19), and whoever is in the log was told so (G-7, R9), unless it met
 * somebody else's reservation.
 */
function checkUndisturbed(setup: Setup, facts: Facts, answers: readonly Answered[]): void {
  if (facts.state !== null && facts.state.inflight !== null) {
    throw new Violation('C19', 'everybody has ended without a fault and a reservation is left')
  }
  const keys = new Set(setup.requests.map(({ key }) => key))
  const is_alone = setup.requests.length === 1
  for (const { request, answer } of answers) {
    if (answer.ok || versionsOf(facts, request.body).length === 0) continue
    if (!is_alone && COME_AGAIN.has(answer.reason)) continue
    // Two keys with equal bytes cannot be told apart (C21); lost payloads are conceded by spec/coordinator.md 14.
    if (setup.scenario.same_bytes !== undefined || setup.mayLosePayload(request)) continue
    throw new Violation(
      'G-7',
      `${request.name} is in the log and was told ${answer.reason} (${keys.size} keys)`,
    )
  }
}

const checked = new WeakSet<History>()

/** C16, C17, C18, C20, C22 and bugs: what a process asks of the store is within its rights. */
export function checkHistory(setup: Setup, part: Part, history: History): void {
  if (checked.has(history)) return
  checked.add(history)
  if (part.role !== 'commit' && part.role !== 'recover') return
  if (history.ending !== null && 'threw' in history.ending) {
    throw new Violation('bug', `${part.name} threw ${String(history.ending.threw)}`)
  }
  if (history.operations > OPERATIONS_MAX)
    throw new Violation('C18', `${part.name}: ${history.operations} operations`)
  for (const op of history.ops) checkOp(setup, part, history, op)
}

function checkOp(setup: Setup, part: Part, history: History, op: StoreOp): void {
  const label = setup.label(op.path)
  if (op.kind === 'delete') throw new Violation('C20', `${part.name} deletes ${label}`)
  const is_state = op.path === statePath(TABLE)
  const is_own_kind =
    is_state ||
    op.path.startsWith(`delta/idempotency/${TABLE}/`) ||
    /^tables\/[0-9a-f-]+\/_delta_log\/\d{20}\.json$/.test(op.path)
  const is_readable = op.path.startsWith(stagingPrefix(TABLE)) || op.path === checkpointHintPath(ROOT)
  if (!is_own_kind && (op.kind === 'put' || !is_readable)) {
    throw new Violation('C16', `${part.name}: ${op.kind} ${op.path}`)
  }
  if (op.kind === 'get') return
  if (!is_state && op.precondition !== 'doesNotExist')
    throw new Violation('C20', `${part.name} overwrites ${label}`)
  if (is_state) checkCas(setup, part, history, op.body.text)
  if (op.path.startsWith(ROOT)) checkMaterialized(setup, part, history, op)
}

/** R13: a reservation carries an id that this very process has drawn for it. R22: at most eight CAS. */
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
function checkMaterialized(
  setup: Setup,
  part: Part,
  history: History,
  op: StoreOp & { readonly kind: 'put' },
): void {
  if (part.request?.body === op.body && op.path === logPath(ROOT, part.request.read_version + 1)) return
  const is_seal = op.body.text.includes('"operation":"NOOP"')
  if (is_seal && setup.scenario.settings?.lostPayload?.(TABLE) === 'seal') return
  for (let at: History | null = history; at !== null; at = at.parent) {
    for (const [index, given] of at.last.entries()) {
      if (at.parent?.ops[index]?.path !== statePath(TABLE)) continue
      const seen = given.value as Partial<StoredObject>
      if (seen.bytes === undefined) continue
      const { inflight } = parseStoredState(new TextDecoder().decode(seen.bytes))
      if (inflight === null || op.path !== logPath(ROOT, inflight.version)) continue
      // A reservation of an old writer names no hash; C1 and C8 watch over its bytes.
      if (inflight.payload_sha256 === undefined || inflight.payload_sha256 === op.body.sha256) return
    }
  }
  throw new Violation(
    'C22',
    `${part.name} writes ${setup.label(op.path)} with bytes that no reservation names`,
  )
}
