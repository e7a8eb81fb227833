/**
 * The commit invariants of spec/correctness.md 6 that hold after every step, of a bucket with the answers given so far.
 * Those of a bucket by itself are in `facts.ts`, those of a process in `rights.ts`, those at the end of all faults in
 * `quiescence.ts`.
 */
import type { CommitResult, StageResult } from '../../../lib/protocol/delta/outcomes.ts'
import { logPath } from '../../../lib/protocol/paths.ts'
import { factsOf, versionsOf, type Facts } from './facts.ts'
import type { History } from './history.ts'
import { checkRights } from './rights.ts'
import { payloadText, ROOT } from './scenario.ts'
import type { Part, Request, Setup } from './setup.ts'
import { Violation } from './violation.ts'
import { isOver, isUndisturbed, type Process, type World } from './world.ts'

/** Refusals that promise: this body is not in the log and never will be (spec/correctness.md 4). */
export const DEFINITE: ReadonlySet<string> = new Set([
  'stale_read_version',
  'log_conflict',
  'key_reuse',
  'version_overflow',
])

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
    checkRights(setup, part, history)
    if (part.role === 'stage') checkStaged(setup, world, process)
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
    if (versions.length > 0 && !is_shared && !isConcededReuse(setup, { request, answer })) {
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

/**
 * spec/coordinator.md 14: after a payload was destroyed while unresolved, the key can be committed again with another
 * body. Then there are two log entries and one marker, and whoever asks about the other body is told `key_reuse` (D-2).
 */
export function isConcededReuse(setup: Setup, { request, answer }: Answered): boolean {
  return (
    setup.scenario.concedes?.includes('second_body_after_loss') === true &&
    setup.requests.some((other) => other.key === request.key && setup.mayLosePayload(other)) &&
    !answer.ok &&
    answer.reason === 'key_reuse'
  )
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

/** SG-3, SG-4: what stage names is there, under that token, byte for byte. */
function checkStaged(setup: Setup, { bucket }: World, { part, history }: Process): void {
  if (history.ending === null || 'threw' in history.ending) return
  const result = history.ending.answered as StageResult
  if (!result.ok) return
  const object = setup.buckets.at(bucket, result.staged_path)
  const name = part.name.replace('stage_', '').replace(/#\d+$/, '')
  if (object?.token !== result.staged_version || object.body.text !== payloadText(setup.scenario, name)) {
    throw new Violation('SG-3', `${part.name} names an object that is not what was staged`)
  }
}
