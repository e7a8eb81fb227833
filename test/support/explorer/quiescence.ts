/**
 * When everybody has ended: faults stop, the clock passes the TTL, and a client comes back (spec/correctness.md
 * 9.6), in both orders, because what a fresh writer finds first is not what a replay finds first (X12).
 */
import type { CommitResult } from '../../../lib/protocol/delta/outcomes.ts'
import type { Bucket } from './bucket.ts'
import { factsOf, versionsOf } from './facts.ts'
import type { History } from './history.ts'
import {
  answerOf,
  checkAgreement,
  checkAnswer,
  checkProgress,
  DEFINITE,
  isConcededReuse,
  type Answered,
} from './invariants.ts'
import { checkRights } from './rights.ts'
import { runAlone } from './run-alone.ts'
import type { Part, Request, Setup } from './setup.ts'
import { Violation } from './violation.ts'
import type { World } from './world.ts'

/** Retryable answers that a fresh writer may get before it is served (C14). */
const RETRIES_MAX = 2

/** Answers that say nothing about other attempts of the key and tell the client to come again. */
const COME_AGAIN: ReadonlySet<string> = new Set(['reserved', 'contention', 'read_version_ahead'])

/** Sends requests into a world that is over. One for each setup: what it has sent before it knows the answer of. */
export class Quiescence {
  readonly #setup: Setup
  readonly #sent = new Map<string, { readonly bucket: Bucket; readonly history: History }>()
  readonly #checked = new Set<string>()

  constructor(setup: Setup) {
    this.#setup = setup
  }

  /** Check C12, C13, C14, C19 and that all answers stay true. Throws the Violation. */
  check(world: World): void {
    const numbers = [...world.processes, ...world.flying].map(({ number }) => number)
    const key = `${world.bucket.id} ${world.ticks} ${numbers.join(' ')}`
    if (this.#checked.has(key)) return
    this.#checked.add(key)
    new Round(this.#setup, world, (part, bucket, ticks) => this.#send(part, bucket, ticks)).freshWriterFirst()
    new Round(this.#setup, world, (part, bucket, ticks) => this.#send(part, bucket, ticks)).replaysFirst()
  }

  #send(part: Part, bucket: Bucket, ticks: number): { readonly bucket: Bucket; readonly history: History } {
    const key = `${part.actor.index} ${bucket.id} ${ticks}`
    const known = this.#sent.get(key)
    if (known !== undefined) return known
    const alone = runAlone(this.#setup, part, bucket, ticks)
    for (let at: History | null = alone.history; at !== null; at = at.parent)
      checkRights(this.#setup, part, at)
    factsOf(this.#setup, alone.bucket)
    this.#sent.set(key, alone)
    return alone
  }
}

type Send = (
  part: Part,
  bucket: Bucket,
  ticks: number,
) => { readonly bucket: Bucket; readonly history: History }

/** One of the two orders. */
class Round {
  readonly #setup: Setup
  readonly #world: World
  readonly #send: Send
  readonly #ticks: number
  readonly #answers: Answered[]
  #bucket: Bucket
  #fresh = 0
  #order = ''
  /** What the first request left behind, if it left anything that it may not leave. */
  #left: string | null = null

  constructor(setup: Setup, world: World, send: Send) {
    this.#setup = setup
    this.#world = world
    this.#send = send
    // Past the TTL of everything, even of a reservation made by a process whose clock was ahead.
    this.#ticks = world.ticks + 1
    this.#bucket = world.bucket
    this.#answers = world.processes.flatMap(({ part, history, condition }) => {
      const answer = condition === 'killed' ? null : answerOf(part, history)
      return answer === null || part.request === null ? [] : [{ request: part.request, answer }]
    })
  }

  freshWriterFirst(): void {
    this.#order = 'a fresh writer first, then replays'
    this.#freshWriter()
    for (const request of this.#setup.requests) this.#replay(request)
    this.#freshWriter()
    this.#landWhatFlies()
  }

  replaysFirst(): void {
    this.#order = 'replays first, then a fresh writer'
    for (const request of this.#setup.requests.toReversed()) this.#replay(request)
    this.#freshWriter()
    this.#landWhatFlies()
  }

  /** C14: whatever rubbish lies about, a writer that knows the log gets in. */
  #freshWriter(): void {
    const seen: string[] = []
    let retries = 0
    let stale = 0
    let read_version = factsOf(this.#setup, this.#bucket).last
    this.#fresh += 1
    for (;;) {
      const part = this.#setup.freshWriter(this.#fresh, read_version)
      const answer = this.#ask(part)
      if (answer.ok) return this.#checkLeft()
      seen.push(answer.reason)
      if (COME_AGAIN.has(answer.reason)) retries += 1
      else if (answer.reason === 'stale_read_version') {
        // Definite: the client rebases onto what it can see now, under a new key.
        stale += 1
        read_version = factsOf(this.#setup, this.#bucket).last
        this.#fresh += 1
      } else this.#fail('C14', `a fresh writer was told ${seen.join(', ')}`)
      if (retries > RETRIES_MAX || stale > 1) this.#fail('C14', `a fresh writer was told ${seen.join(', ')}`)
    }
  }

  /** C12: a replay ends, with its old answer if there was one, and with 200 if it is in the log. */
  #replay(request: Request): void {
    const setup = this.#setup
    const before = this.#answers.filter((other) => other.request.name === request.name)
    const part = setup.replay(request)
    let answer = this.#ask(part)
    for (let more = RETRIES_MAX; more > 0 && isReserved(answer); more--) answer = this.#ask(part)
    if (!isReserved(answer)) this.#checkLeft()
    if (answer.ok) return
    const said = `${request.name} was told ${answer.reason} at last`
    if (before.some((other) => other.answer.ok)) this.#fail('C12', `${said}, and 200 before`)
    const is_logged = versionsOf(factsOf(setup, this.#bucket), request.body).length > 0
    // Two keys with equal bytes cannot be told apart (C21).
    if (is_logged && setup.scenario.same_bytes === undefined) {
      // spec/coordinator.md 14: the payload was destroyed while the commit was unresolved.
      const is_conceded =
        (setup.scenario.concedes?.includes('replay_without_payload') === true &&
          !DEFINITE.has(answer.reason)) ||
        isConcededReuse(setup, { request, answer })
      if (!is_conceded) this.#fail('C12', `${said}, and is in the log`)
      return
    }
    const is_final =
      DEFINITE.has(answer.reason) ||
      (answer.reason === 'read_version_ahead' &&
        request.read_version > (factsOf(setup, this.#bucket).state?.latest_version ?? -1)) ||
      (answer.reason === 'outcome_unverifiable' && setup.scenario.same_bytes !== undefined) ||
      ((answer.reason === 'staged_not_found' || answer.reason === 'staged_version_mismatch') &&
        setup.mayLosePayload(request))
    if (!is_final) this.#fail('C12', said)
  }

  /** Writes that were on their way all the time land now; nothing that was said becomes untrue. */
  #landWhatFlies(): void {
    if (this.#world.flying.length === 0) return
    for (const { op } of this.#world.flying) {
      const before = factsOf(this.#setup, this.#bucket)
      this.#bucket = this.#setup.perform(this.#bucket, op, this.#ticks).bucket
      this.#attempt(() => checkProgress(this.#setup, before, factsOf(this.#setup, this.#bucket)))
    }
    this.#checkAnswers()
    for (const request of this.#setup.requests) this.#replay(request)
    this.#freshWriter()
  }

  #ask(part: Part): CommitResult {
    const is_first = this.#bucket === this.#world.bucket
    const before = factsOf(this.#setup, this.#bucket)
    const sent = this.#send(part, this.#bucket, this.#ticks)
    this.#bucket = sent.bucket
    const answer = answerOf(part, sent.history)
    if (answer === null || part.request === null) throw new Error('only commits are asked')
    const { request } = part
    this.#answers.push({ request, answer })
    this.#checkAnswers()
    const { state } = factsOf(this.#setup, this.#bucket)
    if (state !== null && state.latest_version < (before.state?.latest_version ?? -1)) {
      this.#fail('C4', 'latest_version decreased')
    }
    const left = state?.inflight ?? null
    if (answer.ok && left?.commit_id === request.idempotency_key) {
      this.#fail('C19', `${request.name} was told 200 and its reservation is left`)
    }
    if (is_first && left !== null && !mayLeave(answer, left.commit_id === request.idempotency_key)) {
      this.#left = `one request of ${part.name} (${answer.ok ? 200 : answer.reason}) left a reservation`
    }
    if (answer.ok && answer.replayed) this.#checkRoundTrips(part, sent.history, before)
    return answer
  }

  /** C13, once it is known that this is no wedge (C14) and no endless replay (C12), which are worse. */
  #checkLeft(): void {
    if (this.#left !== null) this.#fail('C13', this.#left)
  }

  /** C18: a replay of a finalized key takes one round trip, two when the staged object is gone. */
  #checkRoundTrips(part: Part, history: History, before: ReturnType<typeof factsOf>): void {
    const { request } = part
    if (request === null || before.state === null) return
    const marker = before.markers.get(request.idempotency_key)
    if (
      marker === undefined ||
      before.state.inflight !== null ||
      before.state.latest_version < marker.version
    )
      return
    const rounds_max = this.#setup.mayLosePayload(request) ? 2 : 1
    if (history.rounds > rounds_max)
      this.#fail('C18', `a replay of ${part.name} took ${history.rounds} round trips`)
  }

  #checkAnswers(): void {
    const facts = factsOf(this.#setup, this.#bucket)
    this.#attempt(() => {
      for (const answered of this.#answers) checkAnswer(this.#setup, facts, answered)
      checkAgreement(this.#answers)
    })
  }

  #attempt(check: () => void): void {
    try {
      check()
    } catch (error) {
      if (error instanceof Violation) this.#fail(error.rule, error.detail)
      throw error
    }
  }

  #fail(rule: string, detail: string): never {
    throw new Violation(rule, `${detail} (at the end: ${this.#order})`)
  }
}

function isReserved(answer: CommitResult): boolean {
  return !answer.ok && (answer.reason === 'reserved' || answer.reason === 'contention')
}

/**
 * C13: a replay that is answered from its own marker may leave another key's reservation. So may a request without
 * its payload: rows D-6 and D-7 of spec/coordinator.md 6.3 come before D-8.
 */
function mayLeave(answer: CommitResult, is_own: boolean): boolean {
  if (is_own) return false
  if (answer.ok) return answer.replayed
  return ['key_reuse', 'staged_not_found', 'staged_version_mismatch'].includes(answer.reason)
}
